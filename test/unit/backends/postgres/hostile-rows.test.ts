import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchJob } from "../../../../src/backends/postgres/batch-job.js";
import { cachedStatements } from "../../../../src/backends/postgres/statements.js";
import { tableNames } from "../../../../src/backends/postgres/table-names.js";
import { ProtocolError } from "../../../../src/backends/postgres/wire/message-reader.js";
import { StatementSlab } from "../../../../src/backends/postgres/wire/statement-slab.js";
import type { Exchange, WireSession } from "../../../../src/backends/postgres/wire/wire-session.js";
import { Kind, Request } from "../../../../src/backends/request.js";
import { Envelope } from "../../../../src/codec/envelope.js";
import { collectingBatch } from "../../../support/collecting-batch.js";

const LIMIT = 1 << 20;
const codec = new Envelope({
  ...{ checksum: "crc32" as const, compressor: undefined, decompressors: [], thresholdBytes: 1024 },
  maxValueBytes: LIMIT,
});

/** What a batch of this one request waits for. */
function exchangeOf(request: Request): Exchange {
  const batch = collectingBatch(() => {});
  batch.others.push(request);
  const sent: Exchange[] = [];
  const session = {
    prepared: undefined,
    chunks: 0,
    takeSlab: () => new StatementSlab(codec, "p:"),
    send: (_slab: StatementSlab, exchanges: readonly Exchange[]) => sent.push(...exchanges),
  } as unknown as WireSession;
  const statements = cachedStatements(tableNames(undefined), () => "now()");
  const limits = { codec, keyPrefix: "p:", maxValueBytes: LIMIT, maxStoredBytes: LIMIT };
  const owner = { leftPrimary() {}, unanswered() {}, ended() {} };
  const order = { isBeingWritten: () => false, isBeingRead: () => false };
  new BatchJob(batch, { ...limits, ...order, statements }, owner).send(session);
  assert.equal(sent.length, 1);
  return sent[0]!;
}

/** A row's body; null: a column without a value. */
function row(...columns: (Buffer | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(columns.length);
  const parts = columns.flatMap((column) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(column?.length ?? -1);
    return [length, column ?? Buffer.alloc(0)];
  });
  return Buffer.concat([count, ...parts]);
}

/** Gives the exchange a row behind which its memory ends. */
function give(exchange: Exchange, bytes: Buffer): void {
  const alone = Buffer.from(new Uint8Array(bytes).buffer);
  exchange.row(alone, 0, alone.length);
}

const int8 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};
const float8 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
};
const yes = Buffer.from([1]);

test("a lifetime of another length is a fault of the protocol", () => {
  const ttl = (): Exchange => exchangeOf(new Request(Kind.ttl, "k", undefined, 0, undefined, 0, 1000));
  assert.throws(() => give(ttl(), row(Buffer.alloc(4))), ProtocolError);
  assert.throws(() => give(ttl(), row(Buffer.alloc(9))), ProtocolError);
  give(ttl(), row(float8(5)));
  give(ttl(), row(null));
});

test("rows of a dialog that are cut or have columns of other lengths are faults of the protocol", () => {
  const increment = (): Exchange => {
    const exchange = exchangeOf(new Request(Kind.increment, "k", undefined, 0, 1n, 0, 1000));
    exchange.ran!();
    return exchange;
  };
  const good = row(float8(1));
  for (let bytes = 0; bytes < good.length; bytes++) {
    assert.throws(() => give(increment(), good.subarray(0, bytes)), ProtocolError, `clock of ${bytes}`);
  }
  const clock = increment();
  give(clock, good);

  const entry = (bytes: Buffer): void => {
    const exchange = increment();
    exchange.ran!();
    give(exchange, bytes);
  };
  const value = Buffer.from("1");
  for (const whole of [
    row(int8(1), yes, null, value),
    row(int8(1), yes, float8(9), value),
    row(int8(1), yes, null, null),
  ]) {
    entry(whole);
    for (let bytes = 0; bytes < whole.length; bytes++) {
      assert.throws(() => entry(whole.subarray(0, bytes)), ProtocolError, `entry of ${bytes}`);
    }
    assert.throws(() => entry(Buffer.concat([whole, value])), ProtocolError);
  }
  assert.throws(() => entry(row(int8(2), yes, null, value)), ProtocolError);
  assert.throws(() => entry(row(yes, yes, null, value)), ProtocolError);
  assert.throws(() => entry(row(int8(1), yes, yes, value)), ProtocolError);
});
