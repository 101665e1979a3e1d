import assert from "node:assert/strict";
import { after } from "node:test";
import type { Batch } from "../../../src/backends/batch.js";
import { StateError } from "../../../src/core/errors.js";
import { createEngine, type Engine, type EngineOptions } from "../../../src/index.js";
import { until } from "../../support/until.js";
import { HandDriver } from "./hand-driver.js";

/** Deadlines alone keep no process alive, and there is no socket here. */
const alive = setInterval(() => {}, 60_000);
after(() => clearInterval(alive));

export const RETRY = { baseDelayMs: 1, jitter: 0 };

export async function endingOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (error) {
    assert.ok(error instanceof StateError);
    return `${error.code} ${error.outcome}`;
  }
}

export interface HeldEngine {
  readonly hand: HandDriver;
  readonly engine: Engine;
  /** Resolves when so many batches have reached the store. */
  sent(batches: number): Promise<void>;
}

/** An engine over a store that answers when a test does. */
export async function held(options: Omit<EngineOptions, "backend"> = {}): Promise<HeldEngine> {
  const hand = new HandDriver(() => {});
  const engine = await createEngine({ retry: RETRY, ...options, backend: hand.driver });
  const sent = (batches: number): Promise<void> =>
    until(`batch ${batches} is sent`, () => hand.batches.length === batches);
  return { hand, engine, sent };
}

/** The keys that a batch asks the store for, in the order of its groups. */
export function keysIn(batch: Batch): string[] {
  return batch.leaders().map(({ key }) => key);
}
