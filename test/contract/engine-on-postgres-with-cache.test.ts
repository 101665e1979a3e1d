import { onPostgres } from "../support/stores.js";
import { withCache } from "../support/with-cache.js";
import { testEngineContract } from "./engine.contract.js";

await onPostgres("engine on postgres with a cache", (store) => testEngineContract(withCache(store)));
