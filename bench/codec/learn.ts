import type { Engine, EngineStats } from "../../src/index.js";
import { type Contender, warmUp } from "./side-by-side.js";

/** The automatic choice learns by trying: it is measured once it has settled, or has had this long for it. */
const LEARNING_STEP_MS = 300;
const MAX_LEARNING_MS = 6000;
/** The time to the next trial doubles with each that confirms the one before; the first is a second. */
const CONFIRMED_MS = 2000;

/** Warms up until the automatic choice has settled. */
export async function learn(contender: Contender, engine: Engine, inFlight: number): Promise<void> {
  for (let spentMs = 0; spentMs < MAX_LEARNING_MS; spentMs += LEARNING_STEP_MS) {
    await warmUp(contender, inFlight, LEARNING_STEP_MS);
    if (hasSettled(engine.stats().workers)) return;
  }
}

/**
 * Nothing is being tried, and what was found by trying has been confirmed once, for reading and for writing. Batches of a
 * size too rare to be tried are judged like the others.
 */
function hasSettled({ state, model: { trial, classes } }: EngineStats["workers"]): boolean {
  if (state === "starting" || trial !== "none") return false;
  const directions = new Set(classes.map(({ direction }) => direction));
  const tried = classes.filter((one) => one.verdict !== "none");
  return (
    new Set(tried.map(({ direction }) => direction)).size === directions.size &&
    tried.every((one) => one.nextTrialAfterMs >= CONFIRMED_MS)
  );
}
