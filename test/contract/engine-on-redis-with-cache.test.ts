import { onRedis } from "../support/stores.js";
import { withCache } from "../support/with-cache.js";
import { testEngineContract } from "./engine.contract.js";

await onRedis("engine on redis with a cache", (store) => testEngineContract(withCache(store)));
