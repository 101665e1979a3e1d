import { CODEC_PARTS, type CodecPart } from "../codec/codec-bench.js";
import { hintAt } from "../lib/mistyped.js";
import type { BenchOptions } from "../lib/options.js";
import { UsageError } from "../lib/usage-error.js";
import { LMDB } from "../lmdb/run-lmdb.js";
import { OBSERVABILITY_PARTS, type ObservabilityPart } from "../observability/observability-bench.js";
import { MILLRACE, SUBJECT_NAMES, YARDSTICK } from "../peers/all-peers.js";
import { POSTGRES } from "../postgres/run-postgres.js";
import { RESILIENCE } from "../resilience/run-resilience.js";
import { TIER } from "../tier/run-tier.js";
import { type Durations, divideTime } from "./durations.js";
import { WORKLOADS, type Workload } from "./workload.js";

export const EXTRA_WORKLOADS = ["trace", "targets", "soak"] as const;
export type ExtraWorkload = (typeof EXTRA_WORKLOADS)[number];

export interface Plan extends Durations {
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
  readonly soakMs: number;
  /** How long each of the parts with rounds of their own may take; null: as long as it takes. */
  readonly partMs: number | null;
}

const QUICK_ROUNDS = 2;
/** The workload that means all of its parts. */
export const CODEC = "codec";
export const OBSERVABILITY = "observability";
const SOAK_MS = 60_000;

/** Parts that bring their own clients, or measure no client. */
const OWN_PARTS: readonly string[] = [
  ...[CODEC, ...CODEC_PARTS, OBSERVABILITY, ...OBSERVABILITY_PARTS],
  ...[POSTGRES, LMDB, TIER, RESILIENCE],
];

/** All that `--workload` takes. */
const SELECTORS: ReadonlySet<string> = new Set([...WORKLOADS.flatMap(selectorsOf), ...EXTRA_WORKLOADS, ...OWN_PARTS]);

/** What means this workload: its group, its size, its group with a size, its name. */
function selectorsOf(workload: Workload): string[] {
  const cell = workload.name.slice(0, workload.name.indexOf("@"));
  return [workload.operation, workload.input.size, cell, workload.name];
}

export function selects(selector: string, workload: Workload): boolean {
  return selectorsOf(workload).includes(selector);
}

/** @throws UsageError for names that mean nothing */
export function makePlan(options: BenchOptions, clientsOnly: readonly string[] | null): Plan {
  const wanted = options.workloads;
  for (const name of wanted ?? []) {
    if (SELECTORS.has(name)) continue;
    throw new UsageError(
      `there is no workload ${JSON.stringify(name)}; ${hintAt(name, [...SELECTORS], "--list shows them all")}`,
    );
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
  const onlyParts = options.trace === null && wanted?.every((name) => OWN_PARTS.includes(name)) === true;
  const peers = onlyParts
    ? [MILLRACE]
    : (options.peers ?? SUBJECT_NAMES).filter((name) => clientsOnly?.includes(name) ?? true);
  const chosen = WORKLOADS.filter((workload) => wanted?.some((name) => selects(name, workload)) ?? true);
  const chosenCells = chosen.map((workload) => ({
    workload: options.quick ? { ...workload, rounds: QUICK_ROUNDS } : workload,
    names: peers.filter(
      (name) => options.peers !== null || workload.subjects === "all" || workload.subjects.includes(name),
    ),
  }));
  const cells = options.ratePerSec === null ? chosenCells : differentLoads(chosenCells);
  const extras = EXTRA_WORKLOADS.filter(
    (name) =>
      (wanted === null ? name !== "soak" : wanted.includes(name)) || (name === "trace" && options.trace !== null),
  );
  const others = {
    postgres: wanted?.includes(POSTGRES) === true,
    lmdb: wanted?.includes(LMDB) === true,
    tier: wanted?.includes(TIER) === true,
    resilience: wanted?.includes(RESILIENCE) === true,
  };
  const sharers = [
    cells.length > 0 || extras.some((name) => name !== "soak") || options.slos.length > 0,
    ...[extras.includes("soak"), codecParts.length > 0, observabilityParts.length > 0, others.tier, others.resilience],
  ].filter((takesPart) => takesPart).length;
  const budgetMs = options.durationS === null ? null : (options.durationS * 1000) / Math.max(1, sharers);
  const durations = divideTime({
    ...{ budgetMs, cells, quick: options.quick, isOpen: options.ratePerSec !== null },
    clients: peers.filter((name) => name !== YARDSTICK).length,
    hasTrace: extras.includes("trace"),
    hasTargets: extras.includes("targets"),
    objectiveRuns: objectiveRuns(options, cells),
  });
  return {
    ...{ cells, extras, codecParts, observabilityParts, peers, ...others, ...durations },
    partMs: budgetMs,
    soakMs: budgetMs ?? SOAK_MS,
  };
}

type Cells = Plan["cells"];

/** How many are in flight is no choice in the open loop, so cells that differ in nothing else are one. */
function differentLoads(cells: Cells): Cells {
  return cells.filter(
    ({ workload }, index) => cells.findIndex((other) => loadOf(other.workload) === loadOf(workload)) === index,
  );
}

function loadOf({ operation, input }: Workload): string {
  return `${operation} ${input.size}`;
}

/** How many loads the objectives name that are not measured in the open loop anyway. */
function objectiveRuns({ slos, ratePerSec }: BenchOptions, cells: Cells): number {
  const measured = ratePerSec === null ? [] : cells.filter(({ names }) => names.includes(MILLRACE));
  const loads = new Set(slos.flatMap(({ target }) => objectiveLoad(target) ?? []).map(loadOf));
  for (const { workload } of measured) loads.delete(loadOf(workload));
  return loads.size;
}

/** The load that an objective is about: of an operation, judged in the open loop. Undefined: a cell, or none at all. */
export function objectiveLoad(target: string): Workload | undefined {
  return target.includes("@") ? undefined : WORKLOADS.find((workload) => selects(target, workload));
}
