import { createEngine, type Engine, type EngineOptions } from "../../src/index.js";
import { collectAbandoned, collectGarbage } from "../lib/garbage.js";
import { formatRate } from "../lib/numbers.js";
import type { Comparison } from "../lib/report.js";
import { seededRandom } from "../lib/rng.js";
import { SpareTime } from "../lib/spare-time.js";
import { formatTable } from "../lib/table.js";
import { runEach } from "../load/closed-loop.js";
import { keyOf } from "../load/inputs.js";
import { jsonRecord } from "../load/records.js";
import type { CodecBench } from "./codec-bench.js";
import { cellName, type GridCell, gridCells, sizeName } from "./grid-cells.js";
import { type CellResult, delayMs, gridGoals, judgeCell, mainUs } from "./grid-goals.js";
import { learn } from "./learn.js";
import { MAIN_THREAD_MEASURE } from "./main-thread-meter.js";
import { type Contender, measureSideBySide, warmUp } from "./side-by-side.js";

/** Many short rounds: a swing of the machine is longer than the three of a pair. */
const ROUNDS = 11;
const QUICK_ROUNDS = 2;
const ROUND_MS = 45;
const WARM_UP_MS = 120;
const OPERATION_TIMEOUT_MS = 60_000;
const LOAD_IN_FLIGHT = 64;
const SPARE_KEYS = 64;
const MAX_VALUES_BYTES = 8 * 1024 * 1024;
const MAX_VALUES = 512;
const SEED = 77;

export const MODES = ["auto", "never", "always"] as const;
type Mode = (typeof MODES)[number];

/** The automatic choice between this thread and others beside both, over codecs, sizes, depths and stores. */
export async function measureGrid(bench: CodecBench): Promise<void> {
  const stores: GridCell["store"][] = bench.stores.redis === undefined ? ["memory"] : ["memory", "redis"];
  const extent = bench.quick ? "quick" : bench.full ? "full" : "reduced";
  const values = new Map<number, readonly string[]>();
  const results: CellResult[] = [];
  const cells = gridCells(extent, stores);
  const spare = new SpareTime(bench.gridSpareMs ?? 0, cells.length);
  for (const cell of cells) {
    const known = values.get(cell.bytes) ?? makeRecords(cell.bytes);
    values.set(cell.bytes, known);
    const result = await measureCell(bench, cell, known, spare);
    bench.recorded([result.auto, result.never, result.always]);
    results.push(result);
  }
  for (const store of stores) bench.note(gridText(store, results));
  for (const goal of gridGoals(results)) bench.target(goal);
}

export function makeRecords(bytes: number): readonly string[] {
  const random = seededRandom(SEED);
  const count = Math.max(8, Math.min(MAX_VALUES, Math.floor(MAX_VALUES_BYTES / bytes)));
  return Array.from({ length: count }, () => Buffer.from(jsonRecord(random, bytes), "latin1").toString("latin1"));
}

export async function measureCell(
  bench: CodecBench,
  cell: GridCell,
  values: readonly string[],
  spare: SpareTime,
): Promise<CellResult> {
  const workload = cellName(cell);
  const keys = Array.from({ length: cell.inFlight + SPARE_KEYS }, (_, index) => keyOf(sizeName(cell.bytes), index));
  const engines: Engine[] = [];
  await collectAbandoned();
  try {
    const contenders: Contender[] = [];
    for (const mode of MODES) {
      bench.progress(`${workload}  loading`);
      const engine = await createEngine(engineOptions(bench, cell, mode));
      engines.push(engine);
      // On Redis the three read each other's values, in memory each has its own.
      if (cell.store === "memory" || engines.length === 1) await load(engine, keys, values);
      contenders.push({ name: `millrace ${mode}`, bind: () => bindCell(cell, engine, keys, values) });
    }
    collectGarbage();
    bench.progress(`${workload}  warming up`);
    for (const contender of contenders.slice(1)) await warmUp(contender, cell.inFlight, WARM_UP_MS);
    await learn(contenders[0]!, engines[0]!, cell.inFlight);
    const resultOf = ([auto, never, always]: readonly Comparison[]): CellResult => ({
      ...{ cell, auto: auto!, never: never!, always: always! },
    });
    const rows = await measureSideBySide(contenders, {
      ...{ workload, inFlight: cell.inFlight, timed: false, progress: bench.progress },
      roundMs: bench.roundMs ?? ROUND_MS,
      rounds: bench.quick ? QUICK_ROUNDS : ROUNDS,
      more: { spare, areWanted: (soFar) => !judgeCell(resultOf(soFar)).isDecided },
    });
    return resultOf(rows);
  } finally {
    await Promise.allSettled(engines.map((engine) => engine.close()));
  }
}

export function engineOptions(
  { stores }: CodecBench,
  { codec, bytes, store }: Pick<GridCell, "codec" | "bytes" | "store">,
  offload: Mode,
): EngineOptions {
  return {
    backend: store === "memory" ? "memory:" : stores.redis!.url,
    compression: { codec, thresholdBytes: Math.min(bytes, 1024) },
    workers: { offload },
    timeouts: { operationMs: OPERATION_TIMEOUT_MS },
    // Whether an engine stays awake for answers is found out by each for itself, and weighs more than what is compared.
    pool: { busyPollMs: 0 },
  };
}

async function load(engine: Engine, keys: readonly string[], values: readonly string[]): Promise<void> {
  const failed = await runEach(keys.length, LOAD_IN_FLIGHT, (index) =>
    engine.put(keys[index]!, values[index % values.length]!),
  );
  if (failed > 0) throw new Error(`the keys could not be loaded: ${failed} puts failed`);
}

/** Keys one after the other, more than are in flight: no operation can share another's command. */
function bindCell(cell: GridCell, engine: Engine, keys: readonly string[], values: readonly string[]) {
  const random = seededRandom(SEED);
  let key = 0;
  let value = 0;
  const put = (): Promise<unknown> => {
    key = (key + 1) % keys.length;
    value = (value + 1) % values.length;
    return engine.put(keys[key]!, values[value]!);
  };
  const get = (): Promise<unknown> => {
    key = (key + 1) % keys.length;
    return engine.get(keys[key]!);
  };
  if (cell.operation === "put") return put;
  return cell.operation === "get" ? get : () => (random() < 0.5 ? put() : get());
}

export function gridText(store: string, results: readonly CellResult[]): string {
  const header = ["codec", "load", "auto/s", "never/s", "always/s", "auto/best", "within", "goal", "main us/op auto"];
  header.push("never", "always", "loop p99 ms auto", "never", "always");
  const rows = results
    .filter(({ cell }) => cell.store === store)
    .map((result) => {
      const { cell, auto, never, always } = result;
      const { ratio, interval, required, better, isDecided } = judgeCell(result);
      const [low, high] = interval.map((bound) => bound.toFixed(2));
      const verdict = ratio >= required ? `${required}` : `${required} MISSED`;
      return [
        ...[cell.codec, `${cell.operation} ${sizeName(cell.bytes)} @${cell.inFlight}`],
        ...[auto, never, always].map((row) => formatRate(row.opsPerSec)),
        ...[`${ratio.toFixed(2)} of ${better}`, `${low}-${high}`, isDecided ? verdict : `${verdict}?`],
        ...[auto, never, always].map((row) => mainUs(row).toFixed(1)),
        ...[auto, never, always].map((row) => delayMs(row).toFixed(1)),
      ];
    });
  return `grid on ${store} (main thread: ${MAIN_THREAD_MEASURE})\n${formatTable(header, rows, [0, 1, 7])}`;
}
