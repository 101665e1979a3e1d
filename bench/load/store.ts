import { Redis } from "ioredis";
import { findRedisServer, temporaryFolder, type UsedRedis, useRedis } from "../../src/testing/index.js";
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

const REDIS_URL = /^rediss?:/;

/** The store of `--backend`, else a Redis, else the embedded default in a folder of its own. */
export async function openStore(backend: string | null): Promise<Store> {
  if (backend !== null && !REDIS_URL.test(backend)) {
    return { millraceUrl: backend, redis: null, shown: withoutPassword(backend), close: async () => {} };
  }
  const given = backend ?? process.env.MILLRACE_REDIS_URL;
  if (given !== undefined && given !== "") {
    const redis = await useRedis(given);
    return { millraceUrl: given, redis, shown: withoutPassword(given), close: () => removeKeys(given) };
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

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//");
}

async function removeKeys(url: string): Promise<void> {
  const client = new Redis(url);
  try {
    for (const pattern of [`${KEY_PREFIX}*`, `state:${KEY_PREFIX}*`]) {
      for await (const keys of client.scanStream({ match: pattern, count: 1000 })) {
        if ((keys as string[]).length > 0) await client.unlink(...(keys as string[]));
      }
    }
  } finally {
    client.disconnect();
  }
}
