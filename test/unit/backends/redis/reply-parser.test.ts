import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadSlab } from "../../../../src/backends/read-slab.js";
import { ErrorReply, ProtocolError } from "../../../../src/backends/redis/wire/protocol-error.js";
import { INCOMPLETE, PushReply, type Reply, ReplyParser } from "../../../../src/backends/redis/wire/reply-parser.js";

const MAX_BULK = 1 << 20;

const EVERY_KIND = [
  "+OK\r\n",
  "-WRONGTYPE not that kind\r\n",
  ":42\r\n",
  ":-9223372036854775808\r\n",
  "$0\r\n\r\n",
  "$6\r\nab\r\ncd\r\n",
  "$-1\r\n",
  "*-1\r\n",
  "*0\r\n",
  "*3\r\n:1\r\n$1\r\nx\r\n*2\r\n+in\r\n-ERR inside\r\n",
  "_\r\n",
  "#t\r\n",
  "#f\r\n",
  ",3.25\r\n",
  "(123456789012345678901234567890\r\n",
  "!9\r\nERR bulky\r\n",
  "=7\r\ntxt:abc\r\n",
  "%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n",
  "~2\r\n:1\r\n:2\r\n",
  ">2\r\n+message\r\n$1\r\nx\r\n",
].join("");

const EXPECTED = [
  "OK",
  "error WRONGTYPE",
  42,
  -(2n ** 63n),
  "bytes ",
  "bytes ab\r\ncd",
  null,
  null,
  [],
  [1, "bytes x", ["in", "error ERR"]],
  null,
  true,
  false,
  3.25,
  "123456789012345678901234567890",
  "error ERR",
  "bytes txt:abc",
  ["a", 1, "b", 2],
  [1, 2],
  ["pushed", "message", "bytes x"],
];

function plain(reply: Reply): unknown {
  if (Buffer.isBuffer(reply)) return `bytes ${reply.toString("latin1")}`;
  if (reply instanceof ErrorReply) return `error ${reply.token}`;
  if (reply instanceof PushReply) return ["pushed", ...reply.items.map(plain)];
  return Array.isArray(reply) ? reply.map(plain) : reply;
}

function takeAll(parser: ReplyParser, slab: ReadSlab, into: unknown[]): void {
  while (slab.start < slab.end) {
    const reply = parser.take(slab);
    if (reply === INCOMPLETE) return;
    into.push(plain(reply));
  }
}

test("replies of every kind come out the same wherever the stream is cut", () => {
  const bytes = Buffer.from(EVERY_KIND, "latin1");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const slab = new ReadSlab();
    const parser = new ReplyParser(MAX_BULK);
    const replies: unknown[] = [];
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      slab.append(piece);
      takeAll(parser, slab, replies);
    }
    assert.deepEqual(replies, EXPECTED, `cut after ${cut} bytes`);
    assert.equal(slab.start, slab.end);
  }
});

test("replies of every kind come out the same byte by byte", () => {
  const slab = new ReadSlab();
  const parser = new ReplyParser(MAX_BULK);
  const replies: unknown[] = [];
  for (const byte of Buffer.from(EVERY_KIND, "latin1")) {
    slab.append(Buffer.of(byte));
    takeAll(parser, slab, replies);
  }
  assert.deepEqual(replies, EXPECTED);
});

test("a truncated stream gives the whole replies before its end and nothing else", () => {
  const bytes = Buffer.from(EVERY_KIND, "latin1");
  for (let length = 0; length < bytes.length; length++) {
    const slab = new ReadSlab();
    const replies: unknown[] = [];
    slab.append(bytes.subarray(0, length));
    takeAll(new ReplyParser(MAX_BULK), slab, replies);
    assert.ok(replies.length < EXPECTED.length);
    assert.deepEqual(replies, EXPECTED.slice(0, replies.length));
  }
});

test("a reply does not share memory with the slab", () => {
  const slab = new ReadSlab();
  slab.append(Buffer.from("$3\r\nabc\r\n"));
  const reply = new ReplyParser(MAX_BULK).take(slab) as Buffer;
  slab.bytes.fill(0);
  assert.equal(reply.toString(), "abc");
});

for (const hostile of [
  "$9999999999\r\n",
  `$${MAX_BULK + 1}\r\n`,
  "$-5\r\n",
  "$\r\n",
  "$1e3\r\n",
  "$00000000000000001\r\nx\r\n",
  "*2097153\r\n",
  "*-2\r\n",
  "*1\r\n".repeat(20),
  ":twelve\r\n",
  ":\r\n",
  "$3\r\nabcd\r\n",
  "+no line feed\rx",
  "HTTP/1.1 400\r\n",
  "\r\r\n",
  `+${"x".repeat(70_000)}`,
]) {
  test(`${JSON.stringify(hostile.slice(0, 24))} is no reply`, () => {
    const slab = new ReadSlab();
    slab.append(Buffer.from(hostile));
    assert.throws(() => new ReplyParser(MAX_BULK).take(slab), ProtocolError);
  });
}

test("an array that promises millions of elements costs nothing until they come", () => {
  const slab = new ReadSlab();
  slab.append(Buffer.from("*2000000\r\n:1\r\n"));
  const before = process.memoryUsage().heapUsed;
  assert.equal(new ReplyParser(MAX_BULK).take(slab), INCOMPLETE);
  assert.ok(process.memoryUsage().heapUsed - before < 4 << 20);
});
