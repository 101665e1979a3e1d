import { onRedis } from "../support/stores.js";
import { testEngineContract } from "./engine.contract.js";

await onRedis("engine on redis", testEngineContract);
