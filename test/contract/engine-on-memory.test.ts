import { memoryStore } from "../support/stores.js";
import { testEngineContract } from "./engine.contract.js";

testEngineContract(memoryStore);
