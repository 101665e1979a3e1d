import { onPostgres } from "../support/stores.js";
import { testEngineContract } from "./engine.contract.js";

await onPostgres("engine on postgres", testEngineContract);
