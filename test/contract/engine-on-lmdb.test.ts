import { lmdbStore } from "../support/stores.js";
import { testEngineContract } from "./engine.contract.js";

testEngineContract(lmdbStore);
