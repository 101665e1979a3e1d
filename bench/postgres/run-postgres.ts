import { createEngine, type Engine } from "../../src/index.js";
import { findPostgres, startPostgres } from "../../src/testing/index.js";
import type { LatencyRecorder } from "../lib/latency-recorder.js";
import { median } from "../lib/median.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import { anyKey, KEY_COUNT } from "../lib/varied-rows.js";
import { runOpenLoop } from "../load/open-loop.js";
import { copySubject, engineSubject, pgbenchSubject, poolSubject, type Round, type Subject } from "./subjects.js";

/** The workload: it runs only when asked for, on a server of its own. */
export const POSTGRES = "postgres";

export interface PostgresBench {
  readonly quick: boolean;
  progress(text: string): void;
  note(text: string): void;
  measured(title: string, rows: readonly Comparison[]): void;
  target(target: Target): void;
}

const IN_FLIGHT = 1000;
const ROUNDS = 5;
const ROUND_MS = 1500;
const QUICK_ROUNDS = 3;
const QUICK_ROUND_MS = 500;
const WARM_UP_MS = 700;
const OPEN_RATE = 20_000;
const OPEN_MS = 8000;

/**
 * Single awaited puts and gets on PostgreSQL with its default durability, beside what a service would write itself, the
 * fastest way in, and the server's own load generator; round robin, medians. Then the published target as an open loop.
 */
export async function runPostgres(bench: PostgresBench): Promise<void> {
  if ((await findPostgres()) === null) {
    bench.note("No PostgreSQL: no programs in MILLRACE_POSTGRES_BIN, /usr/lib/postgresql or on the PATH.");
    return;
  }
  const server = await startPostgres({ settings: { shared_buffers: "256MB", max_wal_size: "4GB" } });
  try {
    const engine = await createEngine({ backend: `${server.url}?sslmode=disable` });
    const subjects: Subject[] = [engineSubject(engine, IN_FLIGHT)];
    try {
      bench.progress("filling the tables");
      await fill(engine);
      subjects.push(await poolSubject(server, IN_FLIGHT), await copySubject(server), await pgbenchSubject(server));
      const puts = await measure("put", subjects, bench);
      const gets = await measure("get", subjects, bench);
      for (const target of goals(puts, gets)) bench.target(target);
      await measureOpenLoop(engine, bench);
    } finally {
      await Promise.all(subjects.map((subject) => subject.close()));
    }
  } finally {
    await server.stop();
  }
}

async function fill(engine: Engine): Promise<void> {
  const value = Buffer.alloc(100, 0x61);
  await engine.bulkLoad(Array.from({ length: KEY_COUNT }, (_, i) => [`key:${i}`, value] as const));
  await engine.vacuum();
}

async function measure(kind: "put" | "get", subjects: readonly Subject[], bench: PostgresBench) {
  const [rounds, durationMs] = bench.quick ? [QUICK_ROUNDS, QUICK_ROUND_MS] : [ROUNDS, ROUND_MS];
  const chosen = subjects.filter((subject) => subject[kind] !== undefined);
  const results = new Map<string, Round[]>(chosen.map(({ name }) => [name, []]));
  for (const subject of chosen) if (subject.name !== "pgbench") await subject[kind]!(WARM_UP_MS);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < chosen.length; i++) {
      const subject = chosen[(round + i) % chosen.length]!;
      bench.progress(`postgres ${kind}  round ${round + 1}/${rounds}  ${subject.name}`);
      results.get(subject.name)!.push(await subject[kind]!(durationMs));
    }
  }
  const workload = `postgres-${kind}-100B@${IN_FLIGHT}`;
  const rows = chosen.map(({ name }) => comparisonOf(workload, name, results.get(name)!));
  bench.measured(`${kind}, 100 B, PostgreSQL with default durability, ${IN_FLIGHT} in flight`, rows);
  return rows;
}

function comparisonOf(workload: string, subject: string, rounds: readonly Round[]): Comparison {
  const cpu = rounds.flatMap(({ cpuUsPerOp }) => (cpuUsPerOp === null ? [] : [cpuUsPerOp]));
  return {
    workload,
    subject,
    opsPerSec: median(rounds.map(({ opsPerSec }) => opsPerSec)),
    p50Us: null,
    p99Us: null,
    p999Us: null,
    cpuUsPerOp: cpu.length === 0 ? null : median(cpu),
    errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
    meanUs: null,
    maxUs: null,
    rounds: rounds.map(({ opsPerSec }) => opsPerSec),
  };
}

function goals(puts: readonly Comparison[], gets: readonly Comparison[]): Target[] {
  const ratio = (id: string, what: string, rows: readonly Comparison[], other: string, goal: number): Target => {
    const [own, theirs] = ["millrace", other].map((name) => rows.find(({ subject }) => subject === name)?.rounds ?? []);
    // Rounds that ran one after the other: what slows the machine slows both.
    const ratios = own!.map((rate, round) => rate / theirs![round]!);
    return judge({
      id: `M4.${id}`,
      title: `PostgreSQL: ${what}`,
      source: "M4",
      goal,
      bound: "at least",
      unit: "x",
      measured: ratios.length === 0 ? null : median(ratios),
    });
  };
  return [
    ratio("put-pool", "single puts against a pool of 10", puts, "pg-pool-10", 14),
    ratio("get-pool", "single gets against a pool of 10", gets, "pg-pool-10", 18),
    ratio("put-copy", "single puts against binary COPY", puts, "copy-binary", 0.7),
    ratio("put-pgbench", "single puts against pgbench, one row a statement", puts, "pgbench", 1),
    ratio("get-pgbench", "single gets against pgbench, one row a statement", gets, "pgbench", 1),
  ];
}

async function measureOpenLoop(engine: Engine, bench: PostgresBench): Promise<void> {
  bench.progress(`postgres get and put, ${OPEN_RATE} ops/s offered`);
  const value = Buffer.alloc(100, 0x62);
  let count = 0;
  const result = await runOpenLoop({
    ratePerSec: OPEN_RATE,
    durationMs: bench.quick ? OPEN_MS / 4 : OPEN_MS,
    warmUpMs: 2000,
    issue: () => {
      const key = anyKey();
      if (count++ % 2 === 0) return engine.get(key);
      const own = Buffer.from(value);
      own.write(String(count), "latin1");
      return engine.put(key, own);
    },
  });
  const recorder: LatencyRecorder = result.recorder;
  const { p50Us, p99Us, p999Us, meanUs, maxUs } = recorder.summary();
  bench.measured(`get and put, 100 B, PostgreSQL, ${OPEN_RATE} ops/s offered`, [
    {
      workload: `postgres-mixed-100B@${OPEN_RATE}/s`,
      subject: "millrace",
      opsPerSec: result.opsPerSec,
      ...{ p50Us, p99Us, p999Us, meanUs, maxUs },
      cpuUsPerOp: null,
      errors: result.errors,
      rounds: [result.opsPerSec],
    },
  ]);
  const target = { source: "E", bound: "at least" as const, unit: "ops/s", goal: 10_000 };
  bench.target(
    judge({ id: "T10", title: "PostgreSQL, get and put, 20,000/s offered", ...target, measured: result.opsPerSec }),
  );
  bench.target(
    judge({
      id: "T10.p99",
      title: "PostgreSQL, the same: p99",
      source: "E",
      bound: "below",
      unit: "ms",
      goal: 5,
      measured: p99Us / 1000,
    }),
  );
}
