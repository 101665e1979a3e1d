import { createEngine, type Engine } from "../../src/index.js";
import { collectAbandoned, collectGarbage } from "../lib/garbage.js";
import { type Comparison, judge } from "../lib/report.js";
import { seededRandom } from "../lib/rng.js";
import { keyOf } from "../load/inputs.js";
import { makeValues } from "../load/records.js";
import type { CodecBench } from "./codec-bench.js";
import { engineOptions, MODES } from "./grid.js";
import { mainUs } from "./grid-goals.js";
import { type Contender, measureSideBySide, warmUp } from "./side-by-side.js";

const BATCH = 128;
const BATCHES = 16;
/** So many batches at once: threads have the next while the calling thread has the results of the last. */
const IN_FLIGHT = 4;
const ROUNDS = 5;
const QUICK_ROUNDS = 2;
const ROUND_MS = 150;
const WARM_UP_MS = 600;
const LEARNING_MS = 1800;
const FREED_TO = 0.2;
const SEED = 128;

/** What is left of the main thread's work when Zstandard is done elsewhere: batches of 128 values of 1 KiB. */
export async function measureOffload(bench: CodecBench): Promise<void> {
  const values = makeValues(seededRandom(SEED), "1KiB", BATCH * BATCHES);
  const entries = values.map((value, index) => [keyOf("offload", index), value] as const);
  const batches = Array.from({ length: BATCHES }, (_, index) => entries.slice(index * BATCH, (index + 1) * BATCH));
  const keys = batches.map((batch) => batch.map(([key]) => key));
  for (const store of bench.stores.redis === undefined ? (["memory"] as const) : (["memory", "redis"] as const)) {
    const engines: Engine[] = [];
    await collectAbandoned();
    try {
      const options = (mode: (typeof MODES)[number]) =>
        engineOptions(bench, { codec: "zstd", bytes: 1024, store }, mode);
      // What is left without any codec work, on keys of its own.
      const plain = { ...options("never"), compression: { codec: "none" }, keyPrefix: "state:bench:plain:" } as const;
      for (const option of [...MODES.map(options), plain]) {
        const engine = await createEngine(option);
        engines.push(engine);
        for (const batch of batches) await engine.batchPut(batch);
      }
      for (const operation of ["put", "get"] as const) {
        const contenders: Contender[] = engines.map((engine, index) => ({
          name: `millrace ${MODES[index] ?? "none"}`,
          perCall: BATCH,
          bind: () => {
            let next = 0;
            return operation === "put"
              ? () => engine.batchPut(batches[next++ % BATCHES]!).then(() => true)
              : () => engine.batchGet(keys[next++ % BATCHES]!);
          },
        }));
        const workload = `codec-offload/${store}/zstd/${operation}-1KiBx${BATCH}`;
        collectGarbage();
        for (const [index, contender] of contenders.entries()) {
          await warmUp(contender, IN_FLIGHT, MODES[index] === "auto" ? LEARNING_MS : WARM_UP_MS);
        }
        const rows = await measureSideBySide(contenders, {
          ...{ workload, inFlight: IN_FLIGHT, timed: false, progress: bench.progress },
          roundMs: bench.roundMs ?? ROUND_MS,
          rounds: bench.quick ? QUICK_ROUNDS : ROUNDS,
        });
        bench.measured(`zstd, ${operation} of ${BATCH} x 1 KiB, ${IN_FLIGHT} in flight, ${store}`, rows);
        judgeModes(bench, store, operation, rows);
      }
    } finally {
      await Promise.allSettled(engines.map((engine) => engine.close()));
    }
  }
}

function judgeModes(bench: CodecBench, store: string, operation: string, rows: readonly Comparison[]): void {
  const [auto, never, always, none] = rows.map(mainUs) as [number, number, number, number];
  for (const [mode, us] of [
    ["always", always],
    ["auto", auto],
  ] as const) {
    bench.target(
      judge({
        ...{ id: `M2.zstd-${operation}-${mode}-${store}`, source: "side by side in this run" },
        title: `zstd, ${operation} of ${BATCH} x 1 KiB on ${store}: main thread's time, offload ${mode} against never`,
        ...{ goal: FREED_TO, bound: "at most", unit: "x", measured: us / never },
        note:
          `${us.toFixed(2)} against ${never.toFixed(2)} us/op, of which ${none.toFixed(2)} without any codec; ` +
          `codec work alone ${((us - none) / (never - none)).toFixed(2)}x`,
      }),
    );
  }
}
