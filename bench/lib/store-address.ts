import { parseEngineOptions, redactEngineOptions } from "../../src/engine/options.js";
import { StateError } from "../../src/index.js";
import { UsageError } from "./usage-error.js";

export interface StoreAddress {
  /** A Redis or Valkey of its own, which every client can talk to. */
  readonly isRedis: boolean;
  /** As reports may show it: without a user name or password, wherever in the URL they stand. */
  readonly shown: string;
}

/**
 * Reads a URL as the engine itself does, since only its reader knows where in it a password may be.
 *
 * @throws UsageError that says what is wrong with it
 */
export function readStoreAddress(url: string): StoreAddress {
  try {
    const options = parseEngineOptions(url);
    const { backend } = redactEngineOptions(options) as { readonly backend: string };
    return { isRedis: options.backend.kind === "redis", shown: backend };
  } catch (error) {
    throw error instanceof StateError ? new UsageError(error.message) : error;
  }
}
