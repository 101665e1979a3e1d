import { setTimeout as delay } from "node:timers/promises";
import { createEngine, type Engine, type EngineOptions } from "../../src/index.js";
import {
  createLedger,
  type LedgerEngine,
  type LedgerOperation,
  type LedgerReport,
  type OutcomeCounts,
  VIOLATION_KINDS,
  type Violation,
} from "../../src/testing/index.js";
import { below, type Random, seededRandom } from "../lib/rng.js";
import { type Arena, KEY_PREFIX, openArena } from "./arena.js";
import type { FaultKind } from "./fault-kinds.js";
import { Load } from "./load.js";
import { Probe } from "./probe.js";

export interface ChaosPlan {
  readonly seed: number;
  /** The run ends when both of these are reached, */
  readonly operations: number;
  readonly faults: number;
  /** or after so long. */
  readonly minutes: number;
  readonly kinds: readonly FaultKind[];
  /** So many servers follow the one that is written to, and are read from. Default: none. */
  readonly replicas?: number;
  /** Of the engine. Default: one connection. */
  readonly pool?: NonNullable<EngineOptions["pool"]>;
  /** Stands between the ledger and the engine. For tests that must be found out. */
  readonly tamper?: (engine: Engine) => LedgerEngine;
  readonly onProgress?: (soFar: ChaosResult) => void;
}

export interface FaultTally {
  /** Times the fault was brought about. */
  injected: number;
  /** Times it struck: each reset of a storm counts. */
  strikes: number;
  /** Milliseconds from the end of the fault to the first answer. */
  recoveriesMs: number[];
}

export interface ChaosResult {
  readonly seed: number;
  durationMs: number;
  /** Calls that met the store or its absence; those that an open circuit refused are counted apart. */
  operations: number;
  refusedByCircuit: number;
  /** Milliseconds from the call to the refusal. */
  readonly circuitAnswersMs: number[];
  acknowledged: number;
  notApplied: number;
  unknown: number;
  faults: number;
  readonly byKind: Record<string, FaultTally>;
  readonly violations: Record<string, number>;
  readonly examples: { readonly violation: Violation; readonly faults: readonly string[] }[];
  readonly failures: Record<string, number>;
  readonly byOperation: Partial<Record<LedgerOperation, OutcomeCounts>>;
  /** Commands that read, which replicas have served. */
  replicaReads: number;
  /** Rejections and exceptions that nobody could catch. */
  escaped: string[];
}

export const OPERATION_MS = 500;
const LATE_BUDGET_MS = 100;
const FAULTS_PER_ROUND = 6;
const PAIRED_SHARE = 0.5;
/** Faults follow so soon on each other that replicas would hardly be read in between. */
const READ_FROM_REPLICAS_MS = 200;
const LOAD = {
  callers: 128,
  burst: 16,
  registers: 2000,
  seldom: 50,
  counters: 400,
  passing: 300,
  transacted: 600,
  shelves: 20,
};
const MAX_EXAMPLES = 20;
const CIRCUIT_REFUSAL = "CIRCUIT_OPEN ERR_CIRCUIT_OPEN";

/** Short times, so that minutes hold a thousand faults. */
export const ENGINE_OPTIONS = {
  keyPrefix: KEY_PREFIX,
  timeouts: { connectMs: 400, operationMs: OPERATION_MS },
  retry: { retries: 3, baseDelayMs: 10, maxDelayMs: 100, jitter: 0.3 },
  circuitBreaker: { failures: 10, resetMs: 100 },
} satisfies EngineOptions;

export async function runChaos(plan: ChaosPlan): Promise<ChaosResult> {
  const result: ChaosResult = {
    seed: plan.seed,
    durationMs: 0,
    operations: 0,
    refusedByCircuit: 0,
    circuitAnswersMs: [],
    acknowledged: 0,
    notApplied: 0,
    unknown: 0,
    faults: 0,
    byKind: Object.fromEntries(plan.kinds.map(({ name }) => [name, { injected: 0, strikes: 0, recoveriesMs: [] }])),
    violations: Object.fromEntries(VIOLATION_KINDS.map((kind) => [kind, 0])),
    examples: [],
    failures: {},
    byOperation: {},
    replicaReads: 0,
    escaped: [],
  };
  const stopListening = collectEscapes(result.escaped);
  const arena = await openArena(plan.replicas);
  try {
    const engine = await createEngine({
      ...{ ...ENGINE_OPTIONS, ...(plan.pool && { pool: plan.pool }) },
      ...{ backend: arena.url, replicas: arena.replicas },
    });
    try {
      await runRounds(plan, arena, engine, result);
    } finally {
      await engine.close();
    }
  } finally {
    await arena.close();
    stopListening();
  }
  return result;
}

async function runRounds(plan: ChaosPlan, arena: Arena, engine: Engine, result: ChaosResult): Promise<void> {
  const startedMs = performance.now();
  const deadlineMs = startedMs + plan.minutes * 60_000;
  const schedule = seededRandom(plan.seed);
  const nextKind = shuffledBag(plan.kinds, schedule);
  const probe = new Probe(engine);
  try {
    for (let round = 1; ; round++) {
      const enough = result.operations >= plan.operations && result.faults >= plan.faults;
      if (enough || performance.now() > deadlineMs) return;
      const kinds = Array.from({ length: FAULTS_PER_ROUND }, nextKind);
      await runRound(arena, plan.tamper?.(engine) ?? engine, probe, kinds, schedule, round, result);
      result.durationMs = performance.now() - startedMs;
      plan.onProgress?.(result);
    }
  } finally {
    probe.stop();
  }
}

async function runRound(
  arena: Arena,
  engine: LedgerEngine,
  probe: Probe,
  kinds: readonly FaultKind[],
  schedule: Random,
  round: number,
  result: ChaosResult,
): Promise<void> {
  const ledger = createLedger(engine, {
    operationMs: OPERATION_MS,
    budgetMs: LATE_BUDGET_MS,
    onSettled({ failure, calledMs, settledMs }) {
      if (failure === CIRCUIT_REFUSAL) result.circuitAnswersMs.push(settledMs! - calledMs);
    },
  });
  const load = new Load(ledger, `${round}:`, seededRandom(below(schedule, 2 ** 31)), LOAD);
  const log: string[] = [];
  try {
    if (arena.followers.length > 0) {
      await arena.replicasFollow();
      await delay(READ_FROM_REPLICAS_MS);
    }
    for (const together of paired(kinds, schedule)) {
      await delay(20 + below(schedule, 80));
      const fromMs = performance.now();
      const strikes = await Promise.all(together.map((kind) => kind.inject(arena, schedule)));
      const untilMs = performance.now();
      const tookMs = await probe.served();
      const names = together.map(({ name }) => name).join(" and ");
      log.push(`${names} @${fromMs.toFixed(1)} to ${untilMs.toFixed(1)}, served after ${tookMs.toFixed(1)} ms`);
      for (const [index, { name }] of together.entries()) {
        if (strikes[index] === 0) continue;
        const tally = result.byKind[name]!;
        tally.injected++;
        tally.strikes += strikes[index]!;
        tally.recoveriesMs.push(tookMs);
        result.faults++;
      }
    }
  } finally {
    await load.stop();
  }
  result.replicaReads += await arena.replicaReads();
  await arena.settled();
  const report = await ledger.verify(arena.readBack.read);
  ledger.stop();
  add(result, report, [`round ${round}`, ...log]);
  await arena.wipe();
}

function add(result: ChaosResult, report: LedgerReport, faults: readonly string[]): void {
  const refused = report.failures[CIRCUIT_REFUSAL] ?? 0;
  result.refusedByCircuit += refused;
  result.operations += report.calls - refused;
  result.acknowledged += report.acknowledged;
  result.notApplied += report.notApplied - refused;
  result.unknown += report.unknown;
  for (const [kind, count] of Object.entries(report.violations)) {
    result.violations[kind] = (result.violations[kind] ?? 0) + count;
  }
  for (const [failure, count] of Object.entries(report.failures)) {
    result.failures[failure] = (result.failures[failure] ?? 0) + count;
  }
  for (const [operation, counts] of Object.entries(report.byOperation) as [LedgerOperation, OutcomeCounts][]) {
    const sums = result.byOperation[operation];
    result.byOperation[operation] = {
      acknowledged: counts.acknowledged + (sums?.acknowledged ?? 0),
      notApplied: counts.notApplied + (sums?.notApplied ?? 0),
      unknown: counts.unknown + (sums?.unknown ?? 0),
    };
  }
  for (const violation of report.examples) {
    if (result.examples.length < MAX_EXAMPLES) result.examples.push({ violation, faults });
  }
}

/** Some faults together with the next one, where one is on the way and the other the server's. */
function paired(kinds: readonly FaultKind[], random: Random): FaultKind[][] {
  const groups: FaultKind[][] = [];
  for (const kind of kinds) {
    const last = groups.at(-1);
    if (last?.length === 1 && last[0]!.at !== kind.at && random() < PAIRED_SHARE) last.push(kind);
    else groups.push([kind]);
  }
  return groups;
}

/** Every kind as often as every other, in an order that the seed decides. */
export function shuffledBag<T>(all: readonly T[], random: Random): () => T {
  let bag: T[] = [];
  return () => {
    if (bag.length === 0) bag = [...all];
    return bag.splice(below(random, bag.length), 1)[0]!;
  };
}

function collectEscapes(into: string[]): () => void {
  const note = (error: unknown): void => {
    into.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  };
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  return () => {
    process.off("unhandledRejection", note);
    process.off("uncaughtException", note);
  };
}
