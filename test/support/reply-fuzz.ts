import { setImmediate } from "node:timers/promises";
import { below, pick, type Random, seededRandom } from "../../bench/lib/rng.js";
import { Batch } from "../../src/backends/batch.js";
import { ReadSlab } from "../../src/backends/read-slab.js";
import { encodeBatch } from "../../src/backends/redis/wire/batch-encoder.js";
import { BatchReader } from "../../src/backends/redis/wire/batch-reader.js";
import { CommandSlab } from "../../src/backends/redis/wire/command-slab.js";
import { ProtocolError } from "../../src/backends/redis/wire/protocol-error.js";
import type { ReaderContext } from "../../src/backends/redis/wire/reader-context.js";
import { ReplyParser } from "../../src/backends/redis/wire/reply-parser.js";
import { Kind, Request, type RequestDetail } from "../../src/backends/request.js";
import { Lz4Compressor } from "../../src/codec/compression/lz4.js";
import { Envelope } from "../../src/codec/envelope.js";
import { crc32 } from "../../src/core/crc32.js";
import { ConnectionError, StateError } from "../../src/core/errors.js";

/*
 * The replies to a batch, damaged in every way that a server, a proxy or a network could, are given to the reader of
 * batches in pieces. Whatever comes: every request is answered once, no read gives another key's value or a damaged one,
 * and nothing is allocated because of a length alone. A value whose magic was hit looks like another program's, which
 * are handed out as they stand; flags and numbers have no checksum and are not judged.
 */
export interface ReplyFuzzCounts {
  /** Streams that were read to their end, that the reader refused, and that ended in the middle of a reply. */
  whole: number;
  refused: number;
  cut: number;
  /** Values that came out right, and that looked like another program's. */
  right: number;
  unmarked: number;
  /** A neighbour's value, or one that was never stored. */
  foreign: number;
  /** An error that is not the reader's own, a request answered twice or never. */
  crashed: number;
  /** The largest memory for incoming bytes. */
  peakSlabBytes: number;
  firstProblem: string | undefined;
}

const PREFIX = "f:";
const KEYS = 12;
const MAX_VALUE_BYTES = 16 * 1024;
const MAX_BULK_BYTES = 512 * 1024 * 1024;
const MEASURED_EVERY = 8192;
const HOSTILE_LENGTHS = ["-2", "99999999", "536870912", "536870913", "9999999999", "00000000001", "", "1e3", "-1"];

const codec = new Envelope({
  checksum: "crc32",
  compressor: new Lz4Compressor("kernel"),
  thresholdBytes: 200,
  decompressors: [new Lz4Compressor("kernel")],
  maxValueBytes: MAX_VALUE_BYTES,
});

interface Sample {
  readonly key: string;
  readonly text: string;
  readonly bulk: string;
}

/** Latin1 text throughout: bytes, cheaply cut and joined. */
const samples: readonly Sample[] = Array.from({ length: KEYS }, (_, index) => {
  const key = `key-${index}`;
  const text = `V:${key}:${"abcdefghij".repeat([0, 1, 3, 40, 120][index % 5]!)}`;
  return { key, text, bulk: storedBulk(key, text) };
});

/** The value of this key as the server answers with it. */
export function storedBulk(key: string, text: string): string {
  const frame = codec.encode(crc32(Buffer.from(PREFIX + key)), text).toString("latin1");
  return `$${frame.length}\r\n${frame}\r\n`;
}

export class Stream {
  readonly batch: Batch;
  readonly leaders = new Map<Request, { answers: number; result: unknown }>();
  completions = 0;

  constructor() {
    this.batch = new Batch({
      nowUs: () => 1,
      defersDecoding: () => false,
      requestSucceeded: (_, leader, result) => this.#answer(leader, result),
      requestFailed: (_, leader, error) => this.#answer(leader, error),
      batchCompleted: () => {
        this.completions++;
      },
    });
  }

  add(group: Request[], kind: Kind, key: string, detail?: RequestDetail, ttlMs = 0): void {
    const value = kind === Kind.put || kind === Kind.setIfNotExists ? "value" : undefined;
    const request = new Request(kind, key, value, ttlMs, detail, 0, 1000);
    group.push(request);
    this.leaders.set(request, { answers: 0, result: undefined });
  }

  #answer(leader: Request, result: unknown): void {
    const entry = this.leaders.get(leader);
    if (entry === undefined) throw new Error("a request of another batch was answered");
    entry.answers++;
    entry.result = result;
  }
}

/** Damages and reads `count` streams of replies; the same seed gives the same ones. */
export async function fuzzReplies(
  ...[count, seed, onProgress]: [count: number, seed: number, onProgress?: (done: number) => void]
): Promise<ReplyFuzzCounts> {
  const random = seededRandom(seed);
  const context = newContext();
  const { parser } = context;
  const commands = new CommandSlab(codec, PREFIX);
  const slab = new ReadSlab();
  const counts: ReplyFuzzCounts = {
    ...{ whole: 0, refused: 0, cut: 0, right: 0, unmarked: 0, foreign: 0, crashed: 0, peakSlabBytes: 0 },
    firstProblem: undefined,
  };
  for (let done = 0; done < count; done++) {
    const { stream, replies } = makeStream(random);
    const bytes = Buffer.from(damage(replies, random), "latin1");
    commands.reset();
    parser.reset();
    slab.start = 0;
    slab.end = 0;
    slab.expectedBytes = 0;
    const reader = new BatchReader(encodeBatch(commands, stream.batch, false, false), context);
    const problem = readAll(reader, slab, bytes, random, counts) ?? judge(stream, counts);
    counts.peakSlabBytes = Math.max(counts.peakSlabBytes, slab.bytes.length);
    if (problem !== undefined) {
      counts.firstProblem ??= `stream ${done}: ${problem}: ${bytes.toString("latin1").slice(0, 400)}`;
    }
    if (done % MEASURED_EVERY === 0 && onProgress !== undefined) {
      onProgress(done);
      await setImmediate();
    }
  }
  return counts;
}

export function newContext(): ReaderContext {
  return {
    codec,
    parser: new ReplyParser(MAX_BULK_BYTES, MAX_VALUE_BYTES + 64),
    keyPrefix: Buffer.from(PREFIX),
    maxValueBytes: MAX_VALUE_BYTES,
    maxBulkBytes: MAX_BULK_BYTES,
    place: { isDoubtful: false },
    onError: () => {},
    isAnotherDue: () => false,
    swapAgain: (_request, _stored, then) => then(1),
  };
}

function readAll(
  ...[reader, slab, bytes, random, counts]: [BatchReader, ReadSlab, Buffer, Random, ReplyFuzzCounts]
): string | undefined {
  let isWhole = false;
  try {
    for (let at = 0; at < bytes.length && !isWhole; ) {
      const piece = below(random, 3) === 0 ? bytes.length : 1 + below(random, 40);
      slab.append(bytes.subarray(at, at + piece));
      at += piece;
      isWhole = reader.consume(slab);
    }
    counts[isWhole ? "whole" : "cut"]++;
  } catch (error) {
    if (!(error instanceof ProtocolError)) {
      counts.crashed++;
      return `crashed with ${String(error)}`;
    }
    counts.refused++;
  }
  if (!isWhole) reader.abort(() => new ConnectionError("the stream has ended"));
  return undefined;
}

function judge(stream: Stream, counts: ReplyFuzzCounts): string | undefined {
  if (stream.completions !== 1) {
    counts.crashed++;
    return `completed ${stream.completions} times`;
  }
  for (const [{ kind, key }, { answers, result }] of stream.leaders) {
    if (answers !== 1) {
      counts.crashed++;
      return `kind ${kind} of ${key} was answered ${answers} times`;
    }
    if (!Buffer.isBuffer(result)) {
      if (result instanceof StateError || (kind !== Kind.get && kind !== Kind.getAndDelete) || result === null)
        continue;
      counts.crashed++;
      return `a read gave ${String(result)}`;
    }
    const text = result.toString("latin1");
    if (!text.startsWith("V:")) counts.unmarked++;
    else if (text === sampleOf(key).text) counts.right++;
    else {
      counts.foreign++;
      return `${key} gave ${text.slice(0, 40)}`;
    }
  }
  return undefined;
}

function sampleOf(key: string): Sample {
  return samples[Number(key.slice(4))]!;
}

/** A batch of up to a dozen requests on different keys, and what a good server answers, reply by reply. */
export function makeStream(random: Random): { stream: Stream; replies: string[] } {
  const stream = new Stream();
  const { batch } = stream;
  const replies: string[] = [];
  let next = below(random, KEYS);
  const key = (): string => samples[next++ % KEYS]!.key;
  const some = (most: number): number => below(random, most + 1);
  const flag = (): string => `:${below(random, 2)}\r\n`;
  for (let i = some(1); i > 0; i--) {
    stream.add(batch.probes, Kind.contains, key());
    replies.push(flag());
  }
  batch.mostTogether = pick(random, [Number.POSITIVE_INFINITY, 2]);
  const gets = some(4);
  for (let i = 0; i < gets; i++) {
    if (i === 0 || i === batch.mostTogether) replies.push(`*${Math.min(gets - i, batch.mostTogether)}\r\n`);
    const name = key();
    stream.add(batch.reads, Kind.get, name);
    replies.push(below(random, 5) === 0 ? pick(random, ["$-1\r\n", "_\r\n"]) : sampleOf(name).bulk);
  }
  for (let i = some(1); i > 0; i--) {
    stream.add(batch.deletes, Kind.delete, key());
    replies.push(flag());
  }
  const puts = some(1);
  for (let i = 0; i < puts; i++) stream.add(batch.puts, Kind.put, key());
  if (puts > 0) replies.push("+OK\r\n");
  for (let i = some(1); i > 0; i--) {
    stream.add(batch.expiringPuts, Kind.put, key(), undefined, 5000);
    replies.push("+OK\r\n");
  }
  addOther(stream, replies, key, random);
  if (some(2) === 0) addIncrements(stream, replies, key);
  if (stream.leaders.size === 0) {
    stream.add(batch.deletes, Kind.delete, key());
    replies.push(flag());
  }
  return { stream, replies };
}

function addOther(stream: Stream, replies: string[], key: () => string, random: Random): void {
  const { others } = stream.batch;
  const name = key();
  switch (below(random, 8)) {
    case 0:
      stream.add(others, Kind.getAndDelete, name);
      replies.push(sampleOf(name).bulk);
      break;
    case 1:
      stream.add(others, Kind.setIfNotExists, name);
      replies.push(pick(random, ["+OK\r\n", "$-1\r\n", "_\r\n"]));
      break;
    case 2:
      stream.add(others, Kind.compareAndSwap, name, { expected: "x", next: "y" });
      replies.push(pick(random, [":1\r\n", ":0\r\n", `*1\r\n${sampleOf(name).bulk}`]));
      break;
    case 3:
      stream.add(others, Kind.ttl, name);
      replies.push(pick(random, [":-1\r\n", ":-2\r\n", ":5000\r\n"]));
      break;
    case 4:
      stream.add(others, Kind.expire, name);
      replies.push(":0\r\n", ":1\r\n");
      break;
    case 5:
      stream.add(others, Kind.transaction, name, [
        { type: "put", key: name, value: "1", ttlMs: 0 },
        { type: "delete", key: key() },
      ]);
      replies.push("+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n+OK\r\n:1\r\n");
      break;
    default:
  }
}

function addIncrements(stream: Stream, replies: string[], key: () => string): void {
  stream.add(stream.batch.others, Kind.increment, key(), 1n);
  stream.add(stream.batch.others, Kind.increment, key(), 2n);
  replies.push("*2\r\n$1\r\n5\r\n$2\r\n-7\r\n");
}

/** None to three wounds: whole replies lost, doubled, swapped or added, and bytes changed, cut off or put in. */
function damage(replies: string[], random: Random): string {
  const list = [...replies];
  for (let wounds = below(random, 3); wounds > 0; wounds--) {
    const at = below(random, list.length + 1);
    switch (below(random, 5)) {
      case 0:
        list.splice(at, 1);
        break;
      case 1:
        list.splice(at, 0, list[at] ?? "+OK\r\n");
        break;
      case 2:
        list.splice(at, 0, pick(random, samples).bulk);
        break;
      case 3:
        list.splice(
          at,
          0,
          pick(random, ["-ERR no\r\n", "-LOADING yes\r\n", ">2\r\n+pushed\r\n:1\r\n", "*0\r\n", "#t\r\n"]),
        );
        break;
      default:
        if (at < list.length) list.splice(at, 1, pick(random, ["-OOM no\r\n", ":1\r\n", "$3\r\nabc\r\n", "_\r\n"]));
    }
  }
  let bytes = list.join("");
  for (let wounds = below(random, 3); wounds > 0 && bytes.length > 0; wounds--) {
    const at = below(random, bytes.length);
    switch (below(random, 4)) {
      case 0:
        bytes = bytes.slice(0, at);
        break;
      case 1:
        bytes = bytes.slice(0, at) + String.fromCharCode(below(random, 256)) + bytes.slice(at + below(random, 2));
        break;
      case 2:
        bytes =
          bytes.slice(0, at) +
          String.fromCharCode(bytes.charCodeAt(at) ^ (1 << below(random, 8))) +
          bytes.slice(at + 1);
        break;
      default: {
        const type = pick(random, ["$", "*", "=", "!", "%", "~", ">"]);
        const found = bytes.indexOf(type === "=" ? "$" : type, at);
        const from = found < 0 ? at : found;
        const end = bytes.indexOf("\r", from);
        bytes = `${bytes.slice(0, from)}${type}${pick(random, HOSTILE_LENGTHS)}${end < 0 ? "\r\n" : bytes.slice(end)}`;
      }
    }
  }
  return bytes;
}
