import assert from "node:assert/strict";
import { test } from "node:test";
import { OffloadModel, type OffloadModelOptions } from "../../../src/workers/offload-model.js";

const KIB = 1024;

interface Load {
  readonly direction?: "encode" | "decode";
  readonly valueBytes?: number;
  readonly values: number;
  /** What a batch takes, store and callers included, and how much of that this thread is busy. */
  readonly inline: { readonly batchMs: number; readonly busyMs: number };
  readonly offload: { readonly batchMs: number; readonly busyMs: number };
}

/** A model in a process whose clock and event loop are the test's. */
class Process {
  readonly model: OffloadModel;
  #nowMs = 1000;
  #busyMs = 0;
  #afterTurn: (() => void)[] = [];

  constructor(options: Partial<OffloadModelOptions> = {}) {
    this.model = new OffloadModel({
      codec: "lz4",
      threads: 1,
      clock: { monotonicMs: () => this.#nowMs, wallMs: () => this.#nowMs },
      busyMs: () => this.#busyMs,
      afterTurn: (callback) => this.#afterTurn.push(callback),
      ...options,
    });
  }

  /** Nothing is called for so long. */
  pause(durationMs: number): void {
    this.model.settled(0, true);
    this.#nowMs += durationMs;
  }

  endTurn(): void {
    for (const callback of this.#afterTurn.splice(0)) callback();
  }

  /** Keeps the process at the load for so long; returns the share of batches that were offloaded. */
  run(load: Load, durationMs: number): number {
    const endMs = this.#nowMs + durationMs;
    let offloaded = 0;
    let batches = 0;
    while (this.#nowMs < endMs) {
      const { direction = "encode", valueBytes = KIB } = load;
      const offload = this.model.offloads(direction, load.values, load.values * valueBytes, 0);
      const { batchMs, busyMs } = offload ? load.offload : load.inline;
      this.#nowMs += batchMs;
      this.#busyMs += busyMs;
      this.endTurn();
      this.model.settled(load.values, false);
      batches++;
      if (offload) offloaded++;
    }
    return offloaded / batches;
  }
}

const saturated = (inlineMs: number, offloadMs: number, busyMs: number): Load => ({
  values: 128,
  inline: { batchMs: inlineMs, busyMs: inlineMs },
  offload: { batchMs: offloadMs, busyMs },
});

test("work that takes little more than a hop stays, whatever the load", () => {
  const { model } = new Process();
  for (const values of [1, 4, 8]) assert.equal(model.offloads("encode", values, values * KIB, 0), false);
  assert.equal(model.offloads("decode", 1, 100, 0), false);
});

test("work whose handing over costs nearly as much stays", () => {
  const { model } = new Process();
  model.observeHanding("encode", 64, 64 * KIB, 0.2);
  assert.equal(model.offloadableNs("encode", 64, 64 * KIB), 0);
});

test("a batch that would hold up the event loop goes, before anything was learned", () => {
  const { model } = new Process();
  assert.equal(model.offloads("encode", 4, 4 * 1024 * KIB, 0), true);
});

test("decompression fits into a turn until its budget is spent, and again when the turn has ended", () => {
  const process = new Process();
  const fills = (): boolean => process.model.fillsTurn("decode", 128, 128 * KIB);
  const answers = Array.from({ length: 20 }, fills);
  const firstTooMuch = answers.indexOf(true);
  assert.ok(firstTooMuch > 2);
  assert.ok(answers.slice(firstTooMuch).every((tooMuch) => tooMuch));
  process.endTurn();
  assert.equal(fills(), false);
});

test("a load that comes in bursts is judged by them, and not by the pauses between", () => {
  const process = new Process();
  const burst = saturated(1, 1.7, 0.4);
  const shares = Array.from({ length: 60 }, () => {
    const share = process.run(burst, 50);
    process.pause(200);
    return share;
  });
  const mean = (some: readonly number[]): number => some.reduce((sum, share) => sum + share, 0) / some.length;
  assert.ok(mean(shares.slice(0, 20)) > 0, "the other way has been tried");
  assert.ok(mean(shares.slice(30)) < 0.1, shares.map((share) => share.toFixed(2)).join(" "));
});

test("nothing more goes to threads that have a long queue", () => {
  const { model } = new Process();
  assert.equal(model.offloads("encode", 4, 4 * 1024 * KIB, 15), true);
  assert.equal(model.offloads("encode", 4, 4 * 1024 * KIB, 16), false);
});

test("where offloading costs throughput, work ends up inline", () => {
  const process = new Process();
  process.run(saturated(1, 1.7, 0.4), 2000);
  assert.ok(process.run(saturated(1, 1.7, 0.4), 20_000) < 0.02);
});

test("where offloading gains throughput, work ends up in the threads", () => {
  const process = new Process();
  process.run(saturated(1, 0.8, 0.3), 2000);
  assert.ok(process.run(saturated(1, 0.8, 0.3), 20_000) > 0.97);
});

test("the two ways are tried for work so long that few batches fit into a second", () => {
  const process = new Process();
  const long: Load = {
    ...{ direction: "decode", values: 16, valueBytes: 1024 * KIB },
    ...{ inline: { batchMs: 70, busyMs: 30 }, offload: { batchMs: 140, busyMs: 20 } },
  };
  process.run(long, 10_000);
  assert.ok(process.run(long, 20_000) < 0.05);
});

test("a little throughput is given for half of the calling thread's time, and not for less", () => {
  const halves = new Process();
  halves.run(saturated(1, 1.05, 0.4), 2000);
  assert.ok(halves.run(saturated(1, 1.05, 0.4), 10_000) > 0.97);
  const saves = new Process();
  saves.run(saturated(1, 1.05, 0.7), 2000);
  assert.ok(saves.run(saturated(1, 1.05, 0.7), 10_000) < 0.03);
});

test("much throughput is not given for any of it", () => {
  const process = new Process();
  process.run(saturated(1, 1.2, 0.05), 2000);
  assert.ok(process.run(saturated(1, 1.2, 0.05), 10_000) < 0.03);
});

test("a load that changed is judged anew", () => {
  const process = new Process();
  // The next trial would be due after as long again.
  process.run(saturated(1, 1.7, 0.4), 34_000);
  const now = saturated(3, 1.2, 0.4);
  process.run(now, 3000);
  assert.ok(process.run(now, 5000) > 0.9);
});

test("a batch of a size too rare to be tried is judged as those most like it", () => {
  const process = new Process();
  const rare = (): boolean => process.model.offloads("encode", 1024, 1024 * KIB, 0);
  assert.equal(rare(), true, "long work is assumed to be worth it while nothing is known");
  process.endTurn();
  process.run(saturated(1, 1.7, 0.4), 2000);
  assert.equal(rare(), false);
});

test("trials take a few per cent of the time at first and less and less later", () => {
  const process = new Process();
  const load = saturated(1, 3, 0.4);
  process.run(load, 2000);
  const early = process.run(load, 10_000);
  process.run(load, 100_000);
  const late = process.run(load, 100_000);
  assert.ok(early < 0.05, `${early}`);
  assert.ok(late > 0 && late < 0.002, `${late}`);
});

test("a way that does far worse is left after a glimpse, and seldom tried again", () => {
  const load = saturated(1, 3, 0.4);
  const spentOffloading = (process: Process, durationMs: number): number => {
    const share = process.run(load, durationMs);
    return (share * 3) / (share * 3 + (1 - share));
  };
  const process = new Process();
  assert.ok(spentOffloading(process, 1000) < 0.06);
  const soon = spentOffloading(process, 10_000);
  assert.ok(soon > 0 && soon < 0.006, `${soon}`);
});

test("zstd is assumed to be worth offloading until a trial says otherwise", () => {
  const process = new Process({ codec: "zstd" });
  assert.equal(process.model.offloads("encode", 128, 128 * KIB, 0), true);
});

test("while the event loop has time to spare, work of a few hops stays for the sake of latency", () => {
  const { model } = new Process({ codec: "zstd" });
  assert.equal(model.offloads("encode", 8, 8 * KIB, 0), false);
  assert.equal(model.offloads("encode", 64, 64 * KIB, 0), true);
});

test("what inline work took replaces the first guess", () => {
  const { model } = new Process();
  const guessMs = model.inlineMs("encode", 128, 128 * KIB);
  for (let observation = 0; observation < 50; observation++) model.observeInline("encode", 1, KIB, 0.05);
  assert.ok(Math.abs(model.inlineMs("encode", 128, 128 * KIB) - 128 * 0.05) < 0.01);
  assert.notEqual(guessMs, model.inlineMs("encode", 128, 128 * KIB));
});

test("one interrupted observation does not overturn many", () => {
  const { model } = new Process();
  for (let observation = 0; observation < 50; observation++) model.observeInline("encode", 1, KIB, 0.002);
  model.observeInline("encode", 1, KIB, 20);
  assert.ok(model.inlineMs("encode", 1, KIB) < 0.003);
});

test("what the model believes can be read as plain JSON", () => {
  const process = new Process();
  process.run(saturated(1, 1.7, 0.4), 3000);
  const description = process.model.describe();
  assert.deepEqual(JSON.parse(JSON.stringify(description)), description);
  const { classes } = description;
  assert.equal(classes[0]?.verdict, "inline");
  assert.ok(Math.abs(classes[0].throughputRatio - 1 / 1.7) < 0.02);
});
