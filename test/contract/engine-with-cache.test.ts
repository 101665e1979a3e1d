import { lmdbStore, memoryStore } from "../support/stores.js";
import { withCache } from "../support/with-cache.js";
import { testEngineContract } from "./engine.contract.js";

testEngineContract(withCache(memoryStore));
testEngineContract(withCache(lmdbStore));
