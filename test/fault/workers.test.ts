import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { CodecPool } from "../../src/workers/codec-pool.js";
import type { CodecJobCounts } from "../../src/workers/codec-pool-statistics.js";
import { openEnvelope } from "../../src/workers/open-envelope.js";
import { checksumsFor, codecSettings, collectingLogger, framesOf, openCodecPool } from "../support/codec-pool-scope.js";
import { until } from "../support/until.js";
import { sampleRecord } from "../unit/codec/compression/sample-values.js";
import { POISONS, poisoned } from "./workers/failing-worker.js";

const failingWorker = { workerFile: new URL("./workers/failing-worker.js", import.meta.url) };
/** For endless loops only: on a busy machine a sound thread may take this long. */
const impatient = { ...failingWorker, watchdogFloorMs: 400 };
const THREADS = 2;

async function encodesAndDecodes(pool: CodecPool, values: readonly string[]): Promise<void> {
  const checksums = checksumsFor(values);
  const frames = await framesOf(pool, values);
  const inline = openEnvelope({ ...codecSettings, codec: "none" });
  assert.deepEqual((await pool.decode(frames, checksums)).map(String), values);
  const plain = values.map((value, index) => inline.encode(checksums[index]!, value));
  // The poison lies bare in uncompressed forms, so decoding meets it too.
  assert.deepEqual((await pool.decode(plain, checksums)).map(String), values);
}

function counts(pool: CodecPool): CodecJobCounts {
  return pool.describe().jobs;
}

for (const poison of POISONS) {
  test(`a thread that meets "${poison}" costs no operation, of its own batch or of others, and is replaced`, async (t) => {
    const pool = openCodecPool(t, { threads: THREADS }, poison === "loop" ? impatient : failingWorker);
    const healthy = Array.from({ length: 20 }, (_, seed) => sampleRecord(2000, seed));
    await encodesAndDecodes(pool, healthy);
    const batches = Array.from({ length: 30 }, (_, batch) =>
      batch === 7 ? [poisoned(poison, sampleRecord(500)), ...healthy] : healthy,
    );
    await Promise.all(batches.map((values) => encodesAndDecodes(pool, values)));
    assert.ok(counts(pool).lost >= 2, "the poison did not work");
    await until("the pool has its size again", () => pool.describe().threadsAlive === THREADS);
    const { jobs } = counts(pool);
    await encodesAndDecodes(pool, healthy);
    assert.ok(counts(pool).jobs > jobs, "the threads are not used any more");
  });
}

test("a thread that dies of its first job is replaced, also where this thread looks up only afterwards", async (t) => {
  const pool = openCodecPool(t, { threads: THREADS }, failingWorker);
  const healthy = Array.from({ length: 20 }, (_, seed) => sampleRecord(2000, seed));
  await encodesAndDecodes(pool, healthy);
  // That a thread is ready and that it is dead are found together.
  const busy = setInterval(() => {
    const untilMs = performance.now() + 60;
    while (performance.now() < untilMs);
  }, 1);
  t.after(() => clearInterval(busy));
  for (let round = 0; round < 3; round++) {
    const batches = Array.from({ length: 12 }, (_, batch) =>
      batch % 3 === 0 ? [poisoned("late throw", sampleRecord(500)), ...healthy] : healthy,
    );
    await Promise.all(batches.map((values) => pool.encode(values, checksumsFor(values))));
  }
  clearInterval(busy);
  await until("the pool has its size again", () => pool.describe().threadsAlive === THREADS);
});

test("what one thread lost, another does: the calling thread is spared", async (t) => {
  const pool = openCodecPool(t, { threads: 1 }, failingWorker);
  const healthy = [sampleRecord(1000)];
  for (let batch = 0; batch < 4; batch++) await encodesAndDecodes(pool, healthy);
  await pool.encode([poisoned("first thread only", "")], Uint32Array.of(1));
  assert.equal(counts(pool).lost, 1);
  assert.equal(counts(pool).doneInline, 0);
});

test("where every job brings its thread down, threads are left alone for a while and then tried again", async (t) => {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, wallMs: () => nowMs };
  const pool = openCodecPool(t, { clock }, failingWorker);
  const values = [poisoned("exit", "")];
  for (let batch = 0; batch < 12; batch++) await pool.encode(values, Uint32Array.of(1));
  assert.equal(counts(pool).lost, 16);
  assert.equal(pool.worthOffloading("encode", 1000, 1e9), false);
  nowMs += 30_000;
  assert.equal(pool.worthOffloading("encode", 1000, 1e9), true);
  await encodesAndDecodes(pool, [sampleRecord(1000)]);
  assert.equal(counts(pool).lost, 16);
  await pool.encode(values, Uint32Array.of(1));
  assert.equal(counts(pool).lost, 18);
});

test("close settles what a thread in an endless loop holds up", async (t) => {
  const pool = openCodecPool(t, { threads: 1 }, impatient);
  const values = [poisoned("loop", ""), sampleRecord(1000)];
  await pool.encode(["starts the threads"], Uint32Array.of(1));
  const frames = pool.encode(values, checksumsFor(values));
  await pool.close();
  const inline = openEnvelope(codecSettings);
  assert.ok((await frames)[1]!.equals(inline.encode(checksumsFor(values)[1]!, values[1]!)));
});

for (const [name, file] of [
  ["cannot be found", "./workers/no-such-worker.js"],
  ["answers wrongly", "./workers/lying-worker.js"],
] as const) {
  test(`a worker that ${name} is found out at the start, said once, and done without`, async (t) => {
    const { lines, logger } = collectingLogger();
    const pool = openCodecPool(t, { logger }, { workerFile: new URL(file, import.meta.url) });
    const values = [sampleRecord(3000), "short"];
    await Promise.all([encodesAndDecodes(pool, values), encodesAndDecodes(pool, values)]);
    assert.equal(pool.describe().state, "inline");
    assert.equal(pool.worthOffloading("encode", 1000, 1e9), false);
    assert.equal(lines.filter(({ level }) => level === "warn").length, 1);
  });
}

test("threads import their module: one that is ended while it requires an ES module aborts the process", async (t) => {
  const { errors, logger } = collectingLogger();
  const pool = openCodecPool(t, { logger }, { workerFile: new URL("./workers/telling-worker.js", import.meta.url) });
  await encodesAndDecodes(pool, [sampleRecord(3000)]);
  const [loadedBy] = errors.map(String);
  assert.match(loadedBy!, /telling-worker/);
  assert.doesNotMatch(loadedBy!, /require/i);
});

test("idle threads keep no process alive", async (t) => {
  const script = fileURLToPath(new URL("./workers/idle-process.js", import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => void child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code] = await once(child, "close");
  assert.deepEqual([code, output], [0, "8000 2"]);
});
