import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../../src/testing/index.js";
import { median } from "../lib/median.js";
import { pairedRatio } from "../lib/paired.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import type { LoopResult } from "../load/closed-loop.js";
import { SubjectProcess } from "./subject-process.js";
import { subjectNames } from "./subjects.js";
import { countSyncs } from "./sync-count.js";

/** The workload: it runs only when asked for, on files of its own. */
export const LMDB = "lmdb";

export interface LmdbBench {
  readonly quick: boolean;
  progress(text: string): void;
  note(text: string): void;
  measured(title: string, rows: readonly Comparison[]): void;
  target(target: Target): void;
}

const ROUNDS = 5;
const QUICK_ROUNDS = 3;
const ROUND_MS = 700;
const QUICK_ROUND_MS = 250;
const WARM_UP_MS = 400;
const COUNTED_MS = 300;

/**
 * Single awaited puts and gets on LMDB, durable, beside the library called raw and beside the embedded stores a service
 * might take instead; round robin, medians.
 */
export async function runLmdb(bench: LmdbBench): Promise<void> {
  const folder = await temporaryFolder("millrace-bench-lmdb-");
  const subjects: SubjectProcess[] = [];
  const { names, leftOut } = subjectNames();
  for (const [name, why] of leftOut) bench.note(`${name} is left out: ${why}`);
  try {
    for (const name of names) {
      bench.progress(`lmdb: filling ${name}`);
      const own = join(folder.path, name);
      await mkdir(own);
      subjects.push(await SubjectProcess.open({ name, folder: own }, (text) => bench.progress(text)));
    }
    const puts = await measure("put", 1000, subjects, bench);
    const manyPuts = await measure("put", 10_000, subjects, bench);
    const gets = await measure("get", 1000, subjects, bench);
    for (const target of goals(puts, manyPuts, gets)) bench.target(target);
    await showSyncs(subjects, bench);
  } finally {
    for (const subject of subjects) await subject.close();
    await folder.remove();
  }
}

type Rows = readonly Comparison[];

async function measure(
  kind: "put" | "get",
  inFlight: number,
  all: readonly SubjectProcess[],
  bench: LmdbBench,
): Promise<Rows> {
  const [rounds, durationMs] = bench.quick ? [QUICK_ROUNDS, QUICK_ROUND_MS] : [ROUNDS, ROUND_MS];
  const subjects = all.filter((subject) => subject.has(kind));
  const results = new Map<string, LoopResult[]>(subjects.map(({ name }) => [name, []]));
  for (const subject of subjects) await subject.ask("round", { kind, inFlight, durationMs: WARM_UP_MS });
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < subjects.length; i++) {
      const subject = subjects[(round + i) % subjects.length]!;
      bench.progress(`lmdb ${kind}@${inFlight}  round ${round + 1}/${rounds}  ${subject.name}`);
      results.get(subject.name)!.push(await subject.ask("round", { kind, inFlight, durationMs }));
    }
  }
  const workload = `lmdb-${kind}-100B@${inFlight}`;
  const rows = subjects.map(({ name }) => comparisonOf(workload, name, results.get(name)!));
  const how = kind === "put" ? "synced when acknowledged" : "checked, copied";
  bench.measured(`${kind}, 100 B, embedded, ${how}, ${inFlight} in flight`, rows);
  return rows;
}

function comparisonOf(workload: string, subject: string, rounds: readonly LoopResult[]): Comparison {
  return {
    workload,
    subject,
    opsPerSec: median(rounds.map(({ opsPerSec }) => opsPerSec)),
    p50Us: null,
    p99Us: null,
    p999Us: null,
    cpuUsPerOp: median(rounds.map(({ cpuUsPerOp }) => cpuUsPerOp)),
    errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
    meanUs: null,
    maxUs: null,
    rounds: rounds.map(({ opsPerSec }) => opsPerSec),
  };
}

function goals(puts: Rows, manyPuts: Rows, gets: Rows): Target[] {
  const common = { source: "M4", bound: "at least" as const };
  const ratio = (id: string, what: string, rows: Rows, other: string, goal: number): Target => {
    const [own, theirs] = ["millrace", other].map((name) => rows.find(({ subject }) => subject === name));
    const measured = own === undefined || theirs === undefined ? null : pairedRatio(own, theirs);
    return judge({ id: `M4.${id}`, title: `LMDB: ${what}`, ...common, goal, unit: "x", measured });
  };
  const got = gets.find(({ subject }) => subject === "millrace")?.opsPerSec ?? null;
  return [
    ratio("lmdb-putSync", "1000 puts in flight against putSync", puts, "lmdb-js-sync", 30),
    ratio("lmdb-async-1000", "1000 puts in flight against the library's own", puts, "lmdb-js-async", 0.8),
    ratio("lmdb-async-10000", "10,000 puts in flight against the library's own", manyPuts, "lmdb-js-async", 0.8),
    ratio("lmdb-put-level", "10,000 puts in flight against LevelDB in batches", manyPuts, "classic-level-500", 1),
    ratio("lmdb-put-sqlite", "10,000 puts in flight against SQLite in transactions", manyPuts, "node-sqlite-500", 1),
    judge({ id: "M4.lmdb-get", title: "LMDB: gets awaited", ...common, goal: 700_000, unit: "ops/s", measured: got }),
    ratio("lmdb-get-level", "gets against LevelDB", gets, "classic-level-500", 2),
    ratio("lmdb-get-sqlite", "gets against SQLite", gets, "node-sqlite-500", 2),
  ];
}

/** That puts called durable are: how many shared each sync. */
async function showSyncs(subjects: readonly SubjectProcess[], bench: LmdbBench): Promise<void> {
  const lines: string[] = [];
  for (const subject of subjects) {
    if (!subject.has("put")) continue;
    const { name } = subject;
    bench.progress(`lmdb: counting the syncs of ${name}`);
    let operations = 0;
    const syncs = await countSyncs(subject.pid, async () => {
      ({ operations } = await subject.ask("round", { kind: "put", inFlight: 1000, durationMs: COUNTED_MS }));
    });
    if (syncs === null) {
      bench.note("Syncs were not counted: strace is not there, or may not look on.");
      return;
    }
    const each = syncs === 0 ? "none" : `${(operations / syncs).toFixed(1)} puts to each`;
    lines.push(`  ${name.padEnd(20)}${String(operations).padStart(8)} puts${String(syncs).padStart(8)} syncs, ${each}`);
  }
  bench.note(`Syncs counted by strace, in rounds of their own at 1000 in flight\n${lines.join("\n")}`);
}
