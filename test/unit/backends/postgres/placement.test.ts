import assert from "node:assert/strict";
import { test } from "node:test";
import type { BatchChoice } from "../../../../src/backends/batch.js";
import { BatchJob } from "../../../../src/backends/postgres/batch-job.js";
import { Lane } from "../../../../src/backends/postgres/lane.js";
import { Placement } from "../../../../src/backends/postgres/placement.js";
import { cachedStatements } from "../../../../src/backends/postgres/statements.js";
import { tableNames } from "../../../../src/backends/postgres/table-names.js";
import { StatementSlab } from "../../../../src/backends/postgres/wire/statement-slab.js";
import type { WireSession } from "../../../../src/backends/postgres/wire/wire-session.js";
import { Kind, Request } from "../../../../src/backends/request.js";
import { Envelope } from "../../../../src/codec/envelope.js";
import { keyHash } from "../../../../src/core/key-hash.js";
import { collectingBatch } from "../../../support/collecting-batch.js";

const LIMIT = 1 << 20;
const codec = new Envelope({
  ...{ checksum: "crc32" as const, compressor: undefined, decompressors: [], thresholdBytes: 1024 },
  maxValueBytes: LIMIT,
});

function openLane(): Lane {
  const lane = new Lane();
  lane.session = {
    ...{ prepared: undefined, isOpen: true, isOneByOne: false },
    takeSlab: () => new StatementSlab(codec, "p:"),
    send() {},
  } as unknown as WireSession;
  return lane;
}

function requestOf(call: string): Request {
  const [kind, key] = call.split(" ") as ["get" | "put", string];
  return new Request(Kind[kind], key, kind === "put" ? "value" : undefined, 0, undefined, 0, 1000);
}

/** Connections that never answer, and the batches that go over them. */
function openScene(connections = 3) {
  const lanes = Array.from({ length: connections }, openLane);
  const placement = new Placement(lanes, () => false);
  const statements = cachedStatements(tableNames(undefined), () => "now()");
  const surroundings = {
    ...{ codec, keyPrefix: "p:", maxValueBytes: LIMIT, maxStoredBytes: LIMIT, statements },
    ...{ isBeingWritten: () => false, isBeingRead: () => false },
  };
  const owner = { leftPrimary() {}, unanswered() {}, ended() {} };
  return {
    lanes,
    placement,
    /**
     * @param calls as `get key`
     * @param choice null: a batch without one
     */
    take(
      calls: readonly string[],
      choice: BatchChoice | null | undefined = placement.nextBatch(requestOf(calls[0]!)) ?? null,
    ): BatchJob {
      const batch = collectingBatch(() => {});
      for (const request of calls.map(requestOf)) batch[request.kind === Kind.get ? "reads" : "puts"].push(request);
      batch.choice = choice ?? undefined;
      const job = new BatchJob(batch, surroundings, owner);
      placement.take(job);
      return job;
    },
    /** Of these keys those that the next batch may have. */
    suiting(first: string, keys: readonly string[]): string[] {
      const choice = placement.nextBatch(requestOf(first));
      return keys.filter((key) => choice?.suits(key, keyHash(key)) ?? true);
    },
  };
}

test("with nothing under way everything suits", () => {
  const { placement, take } = openScene();
  assert.equal(placement.nextBatch(requestOf("get a")), undefined);
  const job = take(["get a"]);
  assert.notEqual(placement.nextBatch(requestOf("get a")), undefined);
  placement.ended(job);
  assert.equal(placement.nextBatch(requestOf("get a")), undefined);
});

for (const call of ["get", "put"]) {
  test(`a batch is to have no key that another connection is asked to ${call}`, () => {
    const { take, suiting, placement } = openScene();
    const first = take([`${call} a`, `${call} b`]);
    take([`${call} c`]);
    assert.deepEqual(suiting("get new", ["a", "b", "c", "new"]), ["new"], "it goes to the third");
    assert.deepEqual(suiting("put new", ["a", "b", "c", "new"]), ["new"]);
    placement.ended(first);
    assert.deepEqual(suiting("get new", ["a", "b", "c", "new"]), ["a", "b", "new"], "it goes to the first");
  });

  test(`what waits in front for an answer to a ${call} goes behind it, until that connection has two batches`, () => {
    const { lanes, take, suiting } = openScene();
    take([`${call} a`]);
    assert.deepEqual(suiting("get a", ["a", "new"]), ["a", "new"]);
    take([`${call} a`]);
    assert.deepEqual(
      lanes.map(({ load }) => load),
      [2, 0, 0],
    );
    assert.deepEqual(suiting("get a", ["a", "new"]), ["new"]);
  });
}

test("a connection whose answer is late is left to those that have to wait there already", () => {
  const { lanes, placement, take, suiting } = openScene(2);
  const late = take(["get a"]);
  take(["get b"]);
  take(["get b"]);
  late.batch.sentAtUs -= 30_000;
  assert.deepEqual(suiting("get new", ["a", "b", "new"]), ["b", "new"]);
  assert.deepEqual(suiting("get a", ["a", "b", "new"]), ["b", "new"]);
  take(["get new"], null);
  assert.deepEqual(
    lanes.map(({ load }) => load),
    [1, 3],
  );
  placement.ended(late);
  assert.deepEqual(suiting("get fresh", ["a", "b", "new", "fresh"]), ["a", "fresh"]);
});

test("where all are late the one with the least to do takes what comes", () => {
  const { lanes, take, suiting } = openScene(2);
  for (const key of ["a", "b"]) take([`get ${key}`]).batch.sentAtUs -= 30_000;
  take(["get b"], null);
  assert.deepEqual(suiting("get b", ["a", "b", "new"]), ["a", "new"]);
  take(["get new"]);
  assert.deepEqual(
    lanes.map(({ load }) => load),
    [2, 2],
  );
});

test("a batch goes where its choice was made for", () => {
  const { lanes, take } = openScene();
  for (const key of ["a", "b", "c", "d"]) take([`get ${key}`, `put ${key} too`]);
  assert.deepEqual(
    lanes.map(({ load }) => load),
    [2, 1, 1],
  );
});

test("a choice that something has begun after does not count", () => {
  const { lanes, placement, take } = openScene(2);
  take(["get a"]);
  const choice = placement.nextBatch(requestOf("get b"));
  take(["get a", "get b"], null);
  take(["get b"], choice);
  assert.deepEqual(
    lanes.map(({ load }) => load),
    [3, 0],
  );
});

test("a write of what a replica is asked for waits, whatever its choice", () => {
  const { placement, take } = openScene();
  const read = take(["get a"]);
  read.readsElsewhere = true;
  take(["put a"]);
  assert.equal(placement.isHolding, true);
  read.readsElsewhere = false;
  placement.ended(read);
  placement.advance();
  assert.equal(placement.isHolding, false);
});

test("a batch with keys of two connections waits, and all after it, until one of them is done", () => {
  const { lanes, placement, take } = openScene();
  const first = take(["get a"]);
  take(["put b"]);
  take(["get a", "get b"], null);
  assert.equal(placement.isHolding, true);
  take(["get new"]);
  assert.deepEqual(
    lanes.map(({ load }) => load),
    [1, 1, 0],
  );
  placement.ended(first);
  placement.advance();
  assert.equal(placement.isHolding, false);
  assert.deepEqual(
    lanes.map(({ load }) => load),
    [1, 2, 0],
  );
});

test("batches let go of their choices, which know those before them", () => {
  const { take } = openScene();
  take(["get a"]);
  assert.equal(take(["get b"]).batch.choice, undefined);
});
