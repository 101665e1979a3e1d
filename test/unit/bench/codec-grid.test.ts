import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { codecBudget } from "../../../bench/codec/budget.js";
import { CODEC_PARTS } from "../../../bench/codec/codec-bench.js";
import { cellName, type GridCell, gridCells } from "../../../bench/codec/grid-cells.js";
import { type CellResult, gridGoals, judgeCell } from "../../../bench/codec/grid-goals.js";
import { type MoreRounds, measureSideBySide } from "../../../bench/codec/side-by-side.js";
import { medianInterval } from "../../../bench/lib/median.js";
import { parseOptions } from "../../../bench/lib/options.js";
import type { Comparison } from "../../../bench/lib/report.js";
import { SpareTime } from "../../../bench/lib/spare-time.js";
import { makePlan } from "../../../bench/load/plan.js";

interface Figures {
  readonly rounds: readonly number[];
  readonly mainUs?: number;
  readonly delayMs?: number;
}

function row({ rounds, mainUs = 10, delayMs = 1 }: Figures): Comparison {
  return {
    ...{ workload: "w", subject: "s", opsPerSec: rounds[rounds.length >> 1]!, p50Us: null, p99Us: null, p999Us: null },
    ...{ cpuUsPerOp: 1, errors: 0, meanUs: null, maxUs: null, rounds },
    ...{ mainCpuUsPerOp: mainUs, loopDelayP99Ms: delayMs },
  };
}

function result(figures: Record<"auto" | "never" | "always", Figures>, cell: Partial<GridCell> = {}): CellResult {
  return {
    cell: { codec: "lz4", bytes: 1024, inFlight: 16, store: "memory", operation: "put", ...cell },
    ...{ auto: row(figures.auto), never: row(figures.never), always: row(figures.always) },
  };
}

const steady = (rate: number): Figures => ({ rounds: [rate, rate, rate] });

describe("the grid of codecs", () => {
  test("has in full every codec, size, depth and store, puts and gets apart, each once", () => {
    const cells = gridCells("full", ["memory", "redis"]);
    assert.equal(cells.length, 3 * 7 * 3 * 2 * 2);
    assert.equal(new Set(cells.map(cellName)).size, cells.length);
    assert.ok(cells.map(cellName).includes("codec-grid/redis/snappy/get-1MiB@256"));
    assert.ok(gridCells("reduced", ["memory"]).length * 4 < cells.length);
  });

  test("holds the automatic choice against the better way", () => {
    const verdict = judgeCell(result({ auto: steady(90), never: steady(80), always: steady(100) }));
    assert.deepEqual([verdict.better, verdict.ratio, verdict.required], ["always", 0.9, 0.95]);
  });

  test("compares round with round, so that a machine that slows down wrongs nobody", () => {
    const drift: Figures = { rounds: [100, 50, 10] };
    assert.equal(judgeCell(result({ auto: drift, never: drift, always: steady(1) })).ratio, 1);
  });

  test("tells cells that are as good as decided from those whose rounds swing around the bound", () => {
    const rounds = Array.from({ length: 40 }, (_, round) => 100 + (round % 5));
    const scaled = (by: number): Figures => ({ rounds: rounds.map((rate) => rate * by) });
    const beside = (auto: Figures) => judgeCell(result({ auto, never: { rounds }, always: steady(1) }));
    assert.deepEqual([beside(scaled(0.96)).isDecided, beside(scaled(0.94)).isDecided], [true, true]);
    const swinging = { rounds: rounds.map((rate, round) => rate * (round % 2 === 0 ? 1.1 : 0.8)) };
    assert.equal(beside(swinging).isDecided, false);
    assert.deepEqual(
      beside(swinging).interval.map((bound) => bound.toFixed(2)),
      ["0.80", "1.10"],
    );
    const goal = gridGoals([result({ auto: swinging, never: { rounds }, always: steady(1) })])[0];
    assert.match(goal?.note ?? "", /1 are too close/);
  });

  test("asks for less where the main thread is freed of half its work", () => {
    const auto = { ...steady(91), mainUs: 5 };
    assert.equal(judgeCell(result({ auto, never: steady(100), always: steady(1) })).required, 0.9);
  });

  test("is judged by its worst cell per store, and by the delay of cells up to 256 KiB only", () => {
    const good = result({ auto: steady(100), never: steady(100), always: steady(50) });
    const slow = result({ auto: steady(80), never: steady(100), always: steady(50) }, { codec: "zstd" });
    const late = result(
      { auto: { ...steady(100), delayMs: 7 }, never: { ...steady(100), delayMs: 40 }, always: steady(50) },
      { bytes: 256 * 1024 },
    );
    const huge = result(
      { auto: { ...steady(100), delayMs: 900 }, never: steady(100), always: steady(1) },
      { bytes: 1024 * 1024 },
    );
    const [throughput, delay, ...others] = gridGoals([good, slow, late, huge]);
    assert.deepEqual([throughput?.id, throughput?.measured, throughput?.pass], ["M2.auto-memory", 0.8, false]);
    assert.match(throughput?.note ?? "", /zstd put-1KiB@16 against never; 3 of 4 cells meet it, 0 are too close/);
    assert.deepEqual([delay?.id, delay?.measured, delay?.pass], ["M2.loop-memory", 7, false]);
    assert.match(delay?.note ?? "", /256KiB.*inline 40.0 ms; 2 of 3/);
    assert.deepEqual(others, []);
  });
});

describe("rounds side by side", () => {
  const contender = { name: "turns", bind: () => () => new Promise(setImmediate) };
  const options = { workload: "w", inFlight: 1, roundMs: 2, rounds: 3, timed: false, progress: () => {} };
  const roundsWith = async (more?: MoreRounds): Promise<number> => {
    const [row] = await measureSideBySide([contender], more === undefined ? options : { ...options, more });
    return row!.rounds.length;
  };

  test("are as many as were asked for, and more while more are wanted and there is time", async () => {
    assert.equal(await roundsWith(), 3);
    assert.equal(await roundsWith({ spare: new SpareTime(60_000, 1), areWanted: () => false }), 3);
    assert.equal(await roundsWith({ spare: new SpareTime(0, 1), areWanted: () => true }), 3);
    assert.equal(
      await roundsWith({ spare: new SpareTime(60_000, 1), areWanted: ([row]) => row!.rounds.length < 8 }),
      8,
    );
  });

  test("leave an interval that holds the median, narrower with more of them", () => {
    assert.deepEqual(medianInterval([3, 1, 2]), [1, 3]);
    assert.ok(medianInterval([]).every(Number.isNaN));
    const hundred = Array.from({ length: 100 }, (_, index) => index);
    const [low, high] = medianInterval(hundred);
    assert.deepEqual([low, high], [37, 62]);
  });
});

describe("the workload codec", () => {
  test("runs only when asked for, whole or in part, and brings its own clients", () => {
    const planOf = (...args: string[]) => makePlan(parseOptions(args), null);
    assert.deepEqual(planOf().codecParts, []);
    const whole = planOf("--workload", "codec");
    assert.deepEqual([whole.codecParts, whole.cells, whole.peers], [CODEC_PARTS, [], ["millrace"]]);
    const part = planOf("--workload", "codec-header", "get-100B@1");
    assert.deepEqual([part.codecParts, part.cells.length], [["codec-header"], 1]);
    assert.ok(part.peers.length > 1);
  });

  test("measures every cell when it is given the time, and longer when it is given more", () => {
    assert.deepEqual(codecBudget(CODEC_PARTS, null), { full: false });
    assert.equal(codecBudget(CODEC_PARTS, 120_000).full, false);
    const some = codecBudget(CODEC_PARTS, 2_000_000);
    const more = codecBudget(CODEC_PARTS, 3_600_000);
    assert.ok(some.full && more.full);
    assert.ok((more.gridSpareMs ?? 0) > (some.gridSpareMs ?? 0));
    const short = codecBudget(CODEC_PARTS, 300_000);
    assert.ok((short.roundMs ?? 0) > (codecBudget(CODEC_PARTS, 200_000).roundMs ?? 0));
  });
});
