import { findPostgres, type PostgresServer, startPostgres } from "../../src/testing/index.js";
import { median } from "../lib/median.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import { measureSyncs } from "../lib/sync-time.js";
import { SubjectProcess } from "./subject-process.js";
import type { Load, OpenRound, Round } from "./subject-protocol.js";
import { COPY, ENGINE, PGBENCH, POOL } from "./subjects.js";

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
/** A client that is fast needs seconds until its compiler has learnt it. */
const WARM_UP_MS = 2000;
const QUICK_WARM_UP_MS = 700;
const OPEN_RATE = 20_000;
const OPEN_ROUNDS = 3;
const OPEN_MS = 5000;
const OPEN_WARM_UP_MS = 2000;
const SYNCS_MS = 500;

const TITLES: Readonly<Record<Load, string>> = {
  put: "put of keys that are there",
  "put-new": "put of new keys",
  get: "get",
};

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
    const subjects: SubjectProcess[] = [];
    try {
      bench.progress("filling the tables");
      // COPY goes into a table like the engine's, and pgbench uses that of the pool.
      for (const name of [ENGINE, POOL, COPY, PGBENCH]) subjects.push(await openSubject(name, server, bench));
      const puts = await measure("put", subjects, bench);
      const news = await measure("put-new", subjects, bench);
      const gets = await measure("get", subjects, bench);
      for (const target of goals(puts, news, gets)) bench.target(target);
      await measureOpenLoop(subjects[0]!, bench);
    } finally {
      await Promise.all(subjects.map((subject) => subject.close()));
    }
  } finally {
    await server.stop();
  }
}

function openSubject(name: string, { url, binaries }: PostgresServer, bench: PostgresBench): Promise<SubjectProcess> {
  return SubjectProcess.open({ name, url, binaries, inFlight: IN_FLIGHT }, (text) => bench.progress(text));
}

async function measure(load: Load, subjects: readonly SubjectProcess[], bench: PostgresBench) {
  const [rounds, durationMs] = bench.quick ? [QUICK_ROUNDS, QUICK_ROUND_MS] : [ROUNDS, ROUND_MS];
  const chosen = subjects.filter((subject) => subject.can(load));
  const results = new Map<string, Round[]>(chosen.map(({ name }) => [name, []]));
  const warmUpMs = bench.quick ? QUICK_WARM_UP_MS : WARM_UP_MS;
  for (const subject of chosen) {
    if (subject.name !== PGBENCH) await subject.ask("round", { load, durationMs: warmUpMs });
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < chosen.length; i++) {
      const subject = chosen[(round + i) % chosen.length]!;
      bench.progress(`postgres ${load}  round ${round + 1}/${rounds}  ${subject.name}`);
      results.get(subject.name)!.push(await subject.ask("round", { load, durationMs }));
    }
  }
  const workload = `postgres-${load}-100B@${IN_FLIGHT}`;
  const rows = chosen.map(({ name }) => comparisonOf(workload, name, results.get(name)!));
  bench.measured(`${TITLES[load]}, 100 B, PostgreSQL with default durability, ${IN_FLIGHT} in flight`, rows);
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

type Rows = readonly Comparison[];

function goals(puts: Rows, news: Rows, gets: Rows): Target[] {
  const ratio = (id: string, what: string, goal: number, rows: Rows, other: string, others = rows): Target => {
    const own = rows.find(({ subject }) => subject === ENGINE)!.rounds!;
    const theirs = others.find(({ subject }) => subject === other)!.rounds!;
    // Rounds that ran one after the other: what slows the machine slows both.
    const ratios = own.map((rate, round) => rate / theirs[round]!);
    const measured = median(ratios);
    return judge({
      id: `M4.${id}`,
      title: `PostgreSQL: ${what}`,
      source: "M4",
      goal,
      bound: "at least",
      unit: "x",
      measured,
    });
  };
  return [
    ratio("put-pool", "single puts of keys that are there against a pool of 10", 14, puts, POOL),
    ratio("put-new-pool", "single puts of new keys against a pool of 10", 14, news, POOL),
    ratio("get-pool", "single gets against a pool of 10", 18, gets, POOL),
    ratio("put-copy", "single puts of new keys against binary COPY of the same rows", 0.7, news, COPY),
    ratio(
      "overwrite-copy",
      "single puts of keys that are there against binary COPY of new rows",
      0.7,
      puts,
      COPY,
      news,
    ),
    ratio("put-pgbench", "single puts against pgbench, one row a statement", 1, puts, PGBENCH),
    ratio("get-pgbench", "single gets against pgbench, one row a statement", 1, gets, PGBENCH),
  ];
}

async function measureOpenLoop(engine: SubjectProcess, bench: PostgresBench): Promise<void> {
  bench.progress(`postgres get and put, ${OPEN_RATE} ops/s offered`);
  const durationMs = bench.quick ? OPEN_MS / 4 : OPEN_MS;
  const order = { ratePerSec: OPEN_RATE, warmUpMs: OPEN_WARM_UP_MS, durationMs };
  const syncs = await measureSyncs(SYNCS_MS);
  const rounds: OpenRound[] = [];
  for (let round = 0; round < (bench.quick ? 1 : OPEN_ROUNDS); round++) rounds.push(await engine.ask("open", order));
  // The server's processes wait for the tick of a scheduler that has fewer processors for them than they are: seldom, and
  // for as long as the goal. One round says little.
  const byTail = rounds.toSorted((a, b) => a.latencies.p99Us - b.latencies.p99Us);
  const { opsPerSec, latencies } = byTail[Math.floor(byTail.length / 2)]!;
  const { p50Us, p99Us, p999Us, meanUs, maxUs } = latencies;
  const errors = rounds.reduce((sum, round) => sum + round.errors, 0);
  bench.measured(`get and put, 100 B, PostgreSQL, ${OPEN_RATE} ops/s offered`, [
    {
      workload: `postgres-mixed-100B@${OPEN_RATE}/s`,
      subject: ENGINE,
      ...{ opsPerSec, errors, p50Us, p99Us, p999Us, meanUs, maxUs },
      cpuUsPerOp: null,
      rounds: rounds.map((round) => round.opsPerSec),
    },
  ]);
  const tails = rounds.map((round) => milliseconds(round.latencies.p99Us)).join(", ");
  const note = `rounds of ${tails}; a sync of this disk alone took ${milliseconds(syncs.p50Us)} ms, p99 ${milliseconds(syncs.p99Us)} ms`;
  const source = "E";
  const title = `PostgreSQL, get and put, ${OPEN_RATE.toLocaleString("en")}/s offered`;
  const rate = { id: "T10", title, source, bound: "at least", unit: "ops/s", goal: 10_000 } as const;
  bench.target(judge({ ...rate, measured: opsPerSec }));
  const p99 = { id: "T10.p99", title: `${title}: p99`, source, bound: "below", unit: "ms", goal: 5, note } as const;
  bench.target(judge({ ...p99, measured: p99Us / 1000 }));
}

function milliseconds(us: number): string {
  return (us / 1000).toFixed(2);
}
