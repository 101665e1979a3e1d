import type { CodecPart } from "./codec-bench.js";
import { gridCells } from "./grid-cells.js";

/** From here on a duration has room for every cell of the grid, of which one takes so long with its usual rounds. */
const FULL_FROM_MS = 1_800_000;
const FULL_CELL_MS = 6600;
const MIN_ROUND_MS = 20;
const ONE_KIB_ROUNDS = 120;
const OFFLOAD_ROUNDS = 60;
const CELL_ROUNDS = 33;
/** About as long as those of the other parts are. */
const OTHER_ROUND_MS = 200;
/** What does not grow with the rounds: opening, loading, learning. */
const FIXED_MS: Record<CodecPart, number> = {
  "codec-1KiB": 8000,
  "codec-grid": 0,
  "codec-offload": 12_000,
  "codec-faults": 18_000,
  "codec-ratio": 500,
  "codec-header": 1500,
};
const CELL_FIXED_MS = 3000;

export interface CodecBudget {
  readonly full: boolean;
  /** Undefined: each part's own. */
  readonly roundMs?: number;
  /** What is left for further rounds of cells of the grid that are close to their bounds. */
  readonly gridSpareMs?: number;
}

/** How much of the grid a given time has room for, and how long a round is then. */
export function codecBudget(parts: readonly CodecPart[], budgetMs: number | null): CodecBudget {
  if (budgetMs === null) return { full: false };
  const fixedMs = parts.reduce((sum, part) => sum + FIXED_MS[part], 0);
  const otherRounds =
    (parts.includes("codec-1KiB") ? ONE_KIB_ROUNDS : 0) + (parts.includes("codec-offload") ? OFFLOAD_ROUNDS : 0);
  const full = budgetMs >= FULL_FROM_MS;
  if (full && parts.includes("codec-grid")) {
    const usualMs = gridCells("full", ["memory", "redis"]).length * FULL_CELL_MS + otherRounds * OTHER_ROUND_MS;
    return { full, gridSpareMs: Math.max(0, budgetMs - fixedMs - usualMs) };
  }
  const cells = parts.includes("codec-grid") ? gridCells("reduced", ["memory", "redis"]).length : 0;
  const rounds = cells * CELL_ROUNDS + otherRounds;
  const roundMs = Math.max(MIN_ROUND_MS, (budgetMs - fixedMs - cells * CELL_FIXED_MS) / Math.max(1, rounds));
  return { full, roundMs };
}
