import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Load } from "../../bench/chaos/load.js";
import { Probe } from "../../bench/chaos/probe.js";
import { shuffledBag } from "../../bench/chaos/run-chaos.js";
import { below, type Random, seededRandom } from "../../bench/lib/rng.js";
import { createEngine, type Engine, type EngineOptions } from "../../src/index.js";
import { createLedger, findPgBouncer, type LedgerEngine, type LedgerReport } from "../../src/testing/index.js";
import { nothingEscapes } from "../support/outcomes.js";
import { openPostgresArena, POSTGRES_FAULTS, type PostgresArena } from "../support/postgres-arena.js";
import { postgresIsThere } from "../support/stores.js";
import { repeatingIncrements } from "../support/tampered-engine.js";

const OPERATION_MS = 800;
/** Beside the deadline, on a machine whose cores the server, the proxy and this process share. */
const LATE_BUDGET_MS = 250;
/** After a fault has ended. */
const LONGEST_OUTAGE_MS = 30_000;
const FAULTS_PER_ROUND = 5;
const LOAD = {
  callers: 64,
  burst: 16,
  registers: 1000,
  seldom: 50,
  counters: 200,
  passing: 150,
  transacted: 300,
  shelves: 10,
};
const ENGINE_OPTIONS = {
  timeouts: { connectMs: 1000, operationMs: OPERATION_MS },
  retry: { retries: 3, baseDelayMs: 10, maxDelayMs: 100, jitter: 0.3 },
  circuitBreaker: { failures: 10, resetMs: 100 },
} satisfies EngineOptions;

interface Plan {
  readonly rounds: number;
  readonly pool?: NonNullable<EngineOptions["pool"]>;
  readonly faults?: readonly string[];
  readonly isPooled?: boolean;
  /** Stands between the ledger and the engine. For tests that must be found out. */
  readonly tamper?: (engine: Engine) => LedgerEngine;
}

/** Violations by kind, over all rounds. */
async function violationsOf(t: TestContext, plan: Plan): Promise<Record<string, number>> {
  nothingEscapes(t);
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const arena = await openPostgresArena(plan.isPooled);
  t.after(() => arena.close());
  const engine = await createEngine({ ...ENGINE_OPTIONS, ...(plan.pool && { pool: plan.pool }), backend: arena.url });
  t.after(() => engine.close());
  const next = shuffledBag(plan.faults ?? Object.keys(POSTGRES_FAULTS), random);
  const sums: Record<string, number> = {};
  let calls = 0;
  for (let round = 1; round <= plan.rounds; round++) {
    const log: string[] = [];
    const report = await runRound(arena, engine, plan, `${round}:`, next, random, log);
    calls += report.calls;
    for (const [kind, count] of Object.entries(report.violations)) sums[kind] = (sums[kind] ?? 0) + count;
    if (plan.tamper !== undefined) continue;
    for (const { kind, detail, history } of report.examples.slice(0, 3)) {
      for (const line of [kind, detail, ...log, ...history]) t.diagnostic(line);
    }
  }
  t.diagnostic(`${calls} calls`);
  assert.ok(calls > plan.rounds * 1000, "there was load");
  return sums;
}

async function runRound(
  arena: PostgresArena,
  engine: Engine,
  { tamper }: Plan,
  prefix: string,
  nextFault: () => string,
  random: Random,
  log: string[],
): Promise<LedgerReport> {
  const ledger = createLedger(tamper?.(engine) ?? engine, { operationMs: OPERATION_MS, budgetMs: LATE_BUDGET_MS });
  const load = new Load(ledger, prefix, seededRandom(below(random, 2 ** 31)), LOAD);
  const probe = new Probe(engine);
  try {
    for (let fault = 0; fault < FAULTS_PER_ROUND; fault++) {
      await delay(20 + below(random, 100));
      const name = nextFault();
      const fromMs = performance.now();
      await POSTGRES_FAULTS[name]!(arena, random);
      const tookMs = await Promise.race([probe.served(), delay(LONGEST_OUTAGE_MS, null, { ref: false })]);
      if (tookMs === null) throw new Error(`nothing is served ${LONGEST_OUTAGE_MS} ms after ${name}`);
      log.push(`${name} @${fromMs.toFixed(1)}, served ${tookMs.toFixed(1)} ms after its end`);
    }
  } finally {
    await load.stop();
    probe.stop();
  }
  await arena.settled();
  const report = await ledger.verify((keys) => arena.readBack(keys));
  ledger.stop();
  return report;
}

function assertNone(violations: Record<string, number>): void {
  assert.deepEqual(
    Object.entries(violations).filter(([, count]) => count > 0),
    [],
  );
}

if (await postgresIsThere("chaos on PostgreSQL")) {
  test("postgres: keeps every promise through cuts, crashes, locks and terminated sessions", async (t) => {
    assertNone(await violationsOf(t, { rounds: 8 }));
  });

  test("postgres: keeps every promise while connections come and go besides", async (t) => {
    assertNone(await violationsOf(t, { rounds: 8, pool: { min: 0, max: 5, idleMs: 30 } }));
  });

  // What a pooler does with the server's process of a connection that is lost is not the engine's to say.
  const skip = (await findPgBouncer()) === null ? "no PgBouncer" : false;
  test("postgres: keeps every promise behind a pooler whose connections end", { skip }, async (t) => {
    assertNone(await violationsOf(t, { rounds: 6, isPooled: true, faults: ["terminate", "cancel", "latency"] }));
  });

  test("postgres: increments that are sent again although their outcome is unknown would be found", async (t) => {
    const sums = await violationsOf(t, {
      rounds: 2,
      faults: ["cut", "cut-storm", "lost-ack", "terminate"],
      tamper: repeatingIncrements,
    });
    assert.ok(sums.duplicate! > 0);
  });
}
