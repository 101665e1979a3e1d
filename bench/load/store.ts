import { Redis } from "ioredis";
import { createEngine, type EngineOptions } from "../../src/index.js";
import { findRedisServer, temporaryFolder, type UsedRedis, useRedis } from "../../src/testing/index.js";
import { readStoreAddress } from "../lib/store-address.js";
import { KEY_PREFIX } from "./inputs.js";

/** What a run measures against. */
export interface Store {
  readonly millraceUrl: string;
  /** null: there is no Redis, and nothing for the other clients to talk to. */
  readonly redis: UsedRedis | null;
  /** As shown to readers, without a password. */
  readonly shown: string;
  /** Leaves nothing behind: neither server nor folder nor, on a server that was there before, keys. */
  close(): Promise<void>;
}

/** So many keys are deleted at once that a store with one table may need long. */
const CLEAR_TIMEOUT_MS = 120_000;

/**
 * The store that was named, else a Redis, else the embedded default in a folder of its own.
 *
 * @param engine with which options keys are written there
 * @throws UsageError when the URL is none
 */
export async function openStore(backend: string | null, engine: EngineOptions = {}): Promise<Store> {
  const given = backend ?? process.env.MILLRACE_REDIS_URL;
  if (given !== undefined && given !== "") {
    const { isRedis, shown } = readStoreAddress(given);
    if (!isRedis) return { millraceUrl: given, redis: null, shown, close: () => clearKeys(given, engine) };
    const redis = await useRedis(given);
    return { millraceUrl: given, redis, shown, close: () => removeKeys(given, engine) };
  }
  if ((await findRedisServer()) !== null) {
    const redis = await useRedis();
    return { millraceUrl: redis.url, redis, shown: "a Redis of this run", close: () => redis.stop() };
  }
  const folder = await temporaryFolder("millrace-bench-");
  return {
    millraceUrl: `lmdb:${folder.path}`,
    redis: null,
    shown: "lmdb in a temporary folder",
    close: () => folder.remove(),
  };
}

async function clearKeys(url: string, options: EngineOptions): Promise<void> {
  const timeouts = { ...options.timeouts, operationMs: CLEAR_TIMEOUT_MS };
  const engine = await createEngine({ ...options, backend: url, timeouts });
  try {
    await engine.clear(KEY_PREFIX);
  } finally {
    await engine.close();
  }
}

/** By a plain client, because the other clients' keys do not have the engine's prefix. */
async function removeKeys(url: string, { keyPrefix = "state:" }: EngineOptions): Promise<void> {
  const client = new Redis(url);
  // Engines of parts that have their own leave the prefix as it is.
  const prefixes = new Set(["", "state:", keyPrefix]);
  try {
    for (const prefix of prefixes) {
      const pattern = `${prefix.replace(/[\\*?[\]]/g, "\\$&")}${KEY_PREFIX}*`;
      for await (const keys of client.scanStream({ match: pattern, count: 1000 })) {
        if ((keys as string[]).length > 0) await client.unlink(...(keys as string[]));
      }
    }
  } finally {
    client.disconnect();
  }
}
