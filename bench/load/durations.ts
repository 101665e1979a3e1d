import { YARDSTICK } from "../peers/all-peers.js";
import { roundsOf } from "./goals.js";
import { OFFERED_LOAD_UNITS } from "./offered-load.js";
import { OPEN_AROUND_MS } from "./open-cell.js";
import type { Workload } from "./workload.js";

/** What of a run takes time that can be chosen. */
export interface TimedParts {
  /** Milliseconds for all of it; null: as long as it takes. */
  readonly budgetMs: number | null;
  readonly quick: boolean;
  /** Whether the cells are run in the open loop. */
  readonly isOpen: boolean;
  readonly cells: readonly { readonly workload: Workload; readonly names: readonly string[] }[];
  readonly clients: number;
  readonly hasTrace: boolean;
  readonly hasTargets: boolean;
  /** Objectives that need a run of their own in the open loop. */
  readonly objectiveRuns: number;
}

export interface Durations {
  /** Length of one throughput round. */
  readonly roundMs: number;
  /** For further rounds of cells whose usual rounds do not tell whether a goal is met. */
  readonly spareMs: number;
  /** Open loop: length of each run. */
  readonly openMs: number;
  /** Whether the cells are such runs. */
  readonly hasOpenRuns: boolean;
  /** Whether anything is measured in such rounds; some parts have rounds of their own. */
  readonly hasRounds: boolean;
}

const ROUND_MS = 100;
const QUICK_ROUND_MS = 50;
const SPARE_MS = 20_000;
const MIN_ROUND_MS = 20;
const OPEN_MS = 3000;
const QUICK_OPEN_MS = 1000;
/** Percentiles of less say little. */
const MIN_OPEN_MS = 200;
/** The targets are few, and are held against fixed figures: their rounds are longer. */
export const TARGET_ROUND_SHARE = 3 / 2;
/** Rounds' worth of time that the targets take, and that a cell takes around its rounds. */
const TARGET_UNITS = (10 + OFFERED_LOAD_UNITS) * TARGET_ROUND_SHARE;
const OVERHEAD_SHARE = 0.75;
/** Of a run in the closed loop, what an objective in the open loop may take at most. */
const OBJECTIVE_SHARE = 0.1;
/**
 * What takes its time however short rounds are, measured on two cores: a client's start (in the closed loop with its
 * first warm-up), its begin of a cell, the trace, what the targets do around their rounds.
 */
const CLIENT_MS = 2000;
const OPEN_CLIENT_MS = 1000;
const CELL_MS = 350;
const TRACE_MS = 1700;
const TARGETS_MS = 6000;

export function divideTime(parts: TimedParts): Durations {
  const { budgetMs, quick, isOpen, cells, hasTargets } = parts;
  const units = isOpen ? 0 : cells.reduce((sum, { workload, names }) => sum + cellUnits(workload, names), 0);
  const allUnits = units + (hasTargets ? TARGET_UNITS : 0);
  const usual = {
    roundMs: quick ? QUICK_ROUND_MS : ROUND_MS,
    // A time that was given is for rounds, all of them longer or shorter.
    spareMs: quick || budgetMs !== null ? 0 : SPARE_MS,
    openMs: quick ? QUICK_OPEN_MS : OPEN_MS,
    hasOpenRuns: isOpen && cells.length > 0,
    hasRounds: allUnits > 0,
  };
  if (budgetMs === null) return usual;
  return isOpen ? openDurations(parts, budgetMs, usual) : closedDurations(parts, budgetMs, usual, allUnits);
}

/** Rounds and runs keep their proportion: all are longer or shorter than usual by one factor. */
function openDurations(parts: TimedParts, budgetMs: number, usual: Durations): Durations {
  const runs = runsOf(parts) + parts.objectiveRuns;
  const fixedMs =
    parts.clients * (OPEN_CLIENT_MS + traceMs(parts)) + runs * OPEN_AROUND_MS + (parts.hasTargets ? TARGETS_MS : 0);
  const usualMs = runs * usual.openMs + (parts.hasTargets ? TARGET_UNITS * usual.roundMs : 0);
  const factor = usualMs === 0 ? 1 : (budgetMs - fixedMs) / usualMs;
  return {
    ...usual,
    roundMs: Math.max(MIN_ROUND_MS, usual.roundMs * factor),
    openMs: Math.max(MIN_OPEN_MS, usual.openMs * factor),
  };
}

function closedDurations(parts: TimedParts, budgetMs: number, usual: Durations, units: number): Durations {
  const openMs = Math.max(MIN_OPEN_MS, Math.min(usual.openMs, budgetMs * OBJECTIVE_SHARE));
  const fixedMs =
    parts.clients * (CLIENT_MS + traceMs(parts)) +
    runsOf(parts) * CELL_MS +
    parts.objectiveRuns * (openMs + OPEN_AROUND_MS);
  const forRoundsMs = Math.min(budgetMs * OVERHEAD_SHARE, budgetMs - fixedMs);
  return { ...usual, openMs, roundMs: units === 0 ? usual.roundMs : Math.max(MIN_ROUND_MS, forRoundsMs / units) };
}

/** How often a client begins a cell. */
function runsOf({ cells }: TimedParts): number {
  return cells.reduce((sum, { names }) => sum + names.filter((name) => name !== YARDSTICK).length, 0);
}

function traceMs({ hasTrace }: TimedParts): number {
  return hasTrace ? TRACE_MS : 0;
}

function cellUnits(workload: Workload, names: readonly string[]): number {
  const { roundShare, warmUpShare, rounds, inFlight, operation } = workload;
  const clients = names.filter((name) => name !== YARDSTICK);
  const clientRounds = clients.reduce((sum, name) => sum + roundsOf(workload, name), 0);
  const hasYardstick = inFlight >= 1000 && names.includes(YARDSTICK);
  const yardstickRounds = hasYardstick ? rounds * (operation === "mixed" ? 2 : 1) : 0;
  return roundShare * (clientRounds * (1 + warmUpShare) + yardstickRounds);
}
