import type { BatchOwner } from "../../src/backends/batch.js";

/** For batches of which nothing is to become. */
export const INDIFFERENT_OWNER: BatchOwner = {
  nowUs: () => 1,
  requestSucceeded: () => {},
  requestFailed: () => {},
  batchCompleted: () => {},
  defersDecoding: () => false,
};
