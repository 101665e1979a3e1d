import { CODEC_PARTS, type CodecPart } from "../codec/codec-bench.js";
import type { BenchOptions } from "../lib/options.js";
import { UsageError } from "../lib/usage-error.js";
import { LMDB } from "../lmdb/run-lmdb.js";
import { OBSERVABILITY_PARTS, type ObservabilityPart } from "../observability/observability-bench.js";
import { MILLRACE, SUBJECT_NAMES, YARDSTICK } from "../peers/all-peers.js";
import { POSTGRES } from "../postgres/run-postgres.js";
import { RESILIENCE } from "../resilience/run-resilience.js";
import { TIER } from "../tier/run-tier.js";
import { WORKLOADS, type Workload } from "./workload.js";

export const EXTRA_WORKLOADS = ["trace", "targets", "soak"] as const;
export type ExtraWorkload = (typeof EXTRA_WORKLOADS)[number];

export interface Plan {
  readonly cells: readonly { readonly workload: Workload; readonly names: readonly string[] }[];
  readonly extras: readonly ExtraWorkload[];
  /** Parts of the workload `codec`, which runs only when asked for. */
  readonly codecParts: readonly CodecPart[];
  /** Whether PostgreSQL is measured; only when asked for. */
  readonly postgres: boolean;
  /** Whether the embedded stores are measured; only when asked for. */
  readonly lmdb: boolean;
  /** Whether the tier in this process is measured; only when asked for. */
  readonly tier: boolean;
  /** Whether the cost of being ready for failures is measured; only when asked for. */
  readonly resilience: boolean;
  /** Parts of the workload `observability`, which runs only when asked for. */
  readonly observabilityParts: readonly ObservabilityPart[];
  readonly peers: readonly string[];
  /** Length of one throughput round. */
  readonly roundMs: number;
  /** Whether anything is measured in such rounds; some parts have rounds of their own. */
  readonly hasRounds: boolean;
  /** Open loop: length of each run. */
  readonly openMs: number;
  readonly soakMs: number;
}

const ROUND_MS = 100;
const QUICK_ROUND_MS = 50;
const QUICK_ROUNDS = 2;
const MIN_ROUND_MS = 20;
/** The workload that means all of its parts. */
export const CODEC = "codec";
export const OBSERVABILITY = "observability";
const OPEN_MS = 3000;
const SOAK_MS = 60_000;
/** The targets are few, and are held against fixed figures: their rounds are longer. */
export const TARGET_ROUND_SHARE = 3 / 2;
/** Rounds' worth of time that the targets take, and that a cell takes around its rounds. */
const TARGET_UNITS = 22 * TARGET_ROUND_SHARE;
const OVERHEAD_SHARE = 0.75;
/** What takes its time however short rounds are, measured on two cores: a client's start, its begin of a cell, the trace. */
const CLIENT_MS = 2000;
const CELL_MS = 500;
const TRACE_MS = 1700;

/** Whether the selector (a group, a size, a group with a size, a cell's name) means this workload. */
export function selects(selector: string, workload: Workload): boolean {
  const cell = workload.name.slice(0, workload.name.indexOf("@"));
  return [workload.name, cell, workload.operation, workload.input.size].includes(selector);
}

/** @throws UsageError for names that mean nothing */
export function makePlan(options: BenchOptions, clientsOnly: readonly string[] | null): Plan {
  const wanted = options.workloads;
  for (const name of wanted ?? []) {
    const known =
      [
        ...EXTRA_WORKLOADS,
        CODEC,
        ...CODEC_PARTS,
        OBSERVABILITY,
        ...OBSERVABILITY_PARTS,
        POSTGRES,
        LMDB,
        TIER,
        RESILIENCE,
      ].includes(name) || WORKLOADS.some((workload) => selects(name, workload));
    if (!known) throw new UsageError(`there is no workload ${JSON.stringify(name)}; --list shows them all`);
  }
  for (const name of options.peers ?? []) {
    if (!SUBJECT_NAMES.includes(name)) {
      throw new UsageError(`there is no peer ${JSON.stringify(name)}; there are ${SUBJECT_NAMES.join(", ")}`);
    }
  }
  const codecParts = CODEC_PARTS.filter((name) => wanted?.includes(CODEC) === true || wanted?.includes(name) === true);
  const observabilityParts = OBSERVABILITY_PARTS.filter(
    (name) => wanted?.includes(OBSERVABILITY) === true || wanted?.includes(name) === true,
  );
  // These parts bring their own clients.
  const partNames: readonly string[] = [
    CODEC,
    ...codecParts,
    OBSERVABILITY,
    ...observabilityParts,
    POSTGRES,
    LMDB,
    TIER,
    RESILIENCE,
  ];
  const onlyParts = wanted?.every((name) => partNames.includes(name)) === true;
  const peers = onlyParts
    ? [MILLRACE]
    : (options.peers ?? SUBJECT_NAMES).filter((name) => clientsOnly?.includes(name) ?? true);
  const chosen = WORKLOADS.filter((workload) => wanted?.some((name) => selects(name, workload)) ?? true);
  const cells = chosen.map((workload) => ({
    workload: options.quick ? { ...workload, rounds: QUICK_ROUNDS } : workload,
    names: peers.filter(
      (name) => options.peers !== null || workload.subjects === "all" || workload.subjects.includes(name),
    ),
  }));
  const extras = EXTRA_WORKLOADS.filter((name) => (wanted === null ? name !== "soak" : wanted.includes(name)));
  const budgetMs = options.durationS === null ? null : options.durationS * 1000;
  const units = cells.reduce((sum, { workload, names }) => sum + cellUnits(workload, names), 0);
  const allUnits = units + (extras.includes("targets") ? TARGET_UNITS : 0);
  const usual = options.quick ? QUICK_ROUND_MS : ROUND_MS;
  const openRuns = cells.reduce((sum, { names }) => sum + names.filter((name) => name !== YARDSTICK).length, 0);
  const clients = peers.filter((name) => name !== YARDSTICK).length;
  const fixedMs = clients * (CLIENT_MS + (extras.includes("trace") ? TRACE_MS : 0)) + openRuns * CELL_MS;
  const forRoundsMs = (allMs: number): number => Math.min(allMs * OVERHEAD_SHARE, allMs - fixedMs);
  return {
    cells,
    extras,
    codecParts,
    postgres: wanted?.includes(POSTGRES) === true,
    lmdb: wanted?.includes(LMDB) === true,
    tier: wanted?.includes(TIER) === true,
    resilience: wanted?.includes(RESILIENCE) === true,
    observabilityParts,
    peers,
    roundMs: budgetMs === null || allUnits === 0 ? usual : Math.max(MIN_ROUND_MS, forRoundsMs(budgetMs) / allUnits),
    hasRounds: allUnits > 0,
    openMs: budgetMs === null ? (options.quick ? OPEN_MS / 3 : OPEN_MS) : budgetMs / Math.max(1, openRuns),
    soakMs: budgetMs ?? SOAK_MS,
  };
}

function cellUnits(workload: Workload, names: readonly string[]): number {
  const clients = names.filter((name) => name !== YARDSTICK).length;
  const yardstick =
    workload.inFlight >= 1000 && names.includes(YARDSTICK) ? (workload.operation === "mixed" ? 2 : 1) : 0;
  return workload.rounds * workload.roundShare * (clients * 1.5 + yardstick);
}
