import type { Store } from "../support/stores.js";
import { testConditionalCalls } from "./conditional-calls.js";
import { testLifecycle } from "./lifecycle.js";
import { testLostValues } from "./lost-values.js";
import { testManyKeyCalls } from "./many-key-calls.js";
import { testPromises } from "./promises.js";
import { testSingleKeyCalls } from "./single-key-calls.js";

/** What an engine does, whatever store is behind it. */
export function testEngineContract(store: Store): void {
  testSingleKeyCalls(store);
  testConditionalCalls(store);
  testManyKeyCalls(store);
  testLifecycle(store);
  testPromises(store);
  testLostValues(store);
}
