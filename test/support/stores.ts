import { after, test } from "node:test";
import type { Driver } from "../../src/backends/contract.js";
import { openBackend } from "../../src/backends/open-backend.js";
import { parseBackendUrl } from "../../src/config/backend-url.js";
import { createEngine, type Engine, type EngineOptions } from "../../src/index.js";
import {
  findPostgres,
  findRedisServer,
  temporaryFolder,
  type UsedPostgres,
  type UsedRedis,
  usePostgres,
  useRedis,
} from "../../src/testing/index.js";

export interface TestScope {
  after(clean: () => Promise<void> | void): void;
}

export type StoreOptions = Omit<EngineOptions, "backend">;

/** Data that one test has to itself. Engines opened on it are closed when the test ends. */
export interface Place {
  readonly keyPrefix: string;
  open(options?: StoreOptions): Promise<Engine>;
  /** A driver that has not been opened, for tests that stand between it and the engine. */
  driver(): Promise<Driver>;
}

export interface Store {
  readonly name: "memory" | "lmdb" | "redis" | "postgres";
  /** Whether a second engine opened on a place sees the same data. */
  readonly isShared: boolean;
  readonly maxKeyBytes: number;
  place(t: TestScope): Promise<Place>;
}

const DRIVER_SETTINGS = {
  pool: { min: 1, max: 1, idleMs: 60_000 },
  retry: { baseDelayMs: 10, maxDelayMs: 100, jitter: 0.3 },
};

/** For tests that are not about time: a machine can stand still for longer than the defaults. */
const PATIENT = { connectMs: 30_000, operationMs: 30_000 };

let places = 0;

function placeAt(t: TestScope, url: string): Place {
  const keyPrefix = `place-${process.pid}-${++places}:`;
  return {
    keyPrefix,
    async open(options = {}) {
      const engine = await createEngine({ keyPrefix, timeouts: PATIENT, ...options, backend: url });
      t.after(() => engine.close());
      return engine;
    },
    driver: () => openBackend(parseBackendUrl(url), DRIVER_SETTINGS),
  };
}

export const memoryStore: Store = {
  name: "memory",
  isShared: false,
  maxKeyBytes: Number.POSITIVE_INFINITY,
  place: async (t) => placeAt(t, "memory:"),
};

export const lmdbStore: Store = {
  name: "lmdb",
  isShared: true,
  maxKeyBytes: 1978,
  async place(t) {
    const folder = await temporaryFolder("millrace-lmdb-");
    const cleanups: (() => Promise<void> | void)[] = [];
    // Engines go before the folder that holds their data.
    t.after(async () => {
      for (const clean of cleanups) await clean();
      await folder.remove();
    });
    return placeAt({ after: (clean) => void cleanups.push(clean) }, `lmdb:${folder.path}`);
  },
};

function redisStore(server: UsedRedis): Store {
  return {
    name: "redis",
    isShared: true,
    maxKeyBytes: Number.POSITIVE_INFINITY,
    place: async (t) => placeAt(t, server.url),
  };
}

/**
 * Runs a suite against a Redis server that all of the file's tests share. Without one the suite fails where servers
 * are required, and else says by name that it was left out.
 */
export async function onRedis(suite: string, run: (store: Store, server: UsedRedis) => void): Promise<void> {
  const server = await redisToShare(suite);
  if (server === null) return;
  after(() => server.stop());
  run(redisStore(server), server);
}

async function redisToShare(suite: string): Promise<UsedRedis | null> {
  return (await redisIsThere(suite)) ? useRedis() : null;
}

/** For suites that start servers of their own: whether they can. Says so, or fails, if not. */
export async function redisIsThere(suite: string): Promise<boolean> {
  if ((process.env.MILLRACE_REDIS_URL ?? "") !== "" || (await findRedisServer()) !== null) return true;
  return leaveOut(suite, "no redis-server or valkey-server on the PATH and no MILLRACE_REDIS_URL");
}

function postgresStore(server: UsedPostgres): Store {
  return {
    name: "postgres",
    isShared: true,
    maxKeyBytes: 2680,
    place: async (t) => placeAt(t, server.url),
  };
}

/** As `onRedis`, with PostgreSQL. */
export async function onPostgres(suite: string, run: (store: Store, server: UsedPostgres) => void): Promise<void> {
  const server = await postgresToShare(suite);
  if (server === null) return;
  after(() => server.stop());
  run(postgresStore(server), server);
}

async function postgresToShare(suite: string): Promise<UsedPostgres | null> {
  if ((process.env.MILLRACE_POSTGRES_URL ?? "") === "" && !(await postgresIsThere(suite))) return null;
  return usePostgres();
}

/** As `redisIsThere`, for suites that start PostgreSQL servers of their own. */
export async function postgresIsThere(suite: string): Promise<boolean> {
  if ((await findPostgres()) !== null) return true;
  return leaveOut(suite, "no PostgreSQL server programs (MILLRACE_POSTGRES_BIN) and no MILLRACE_POSTGRES_URL");
}

function leaveOut(suite: string, message: string): false {
  if (["", "0", "false"].includes(process.env.MILLRACE_REQUIRE_SERVERS ?? "")) {
    test(`${suite}: left out, ${message}`, { skip: message });
  } else {
    test(`${suite}: needs a server`, () => {
      throw new Error(message);
    });
  }
  return false;
}

/**
 * Runs a suite on every store; each test file with one store alone has its own process. All servers are there before
 * the first test is: the runner stops them as soon as no test is left, which it also is between two that are awaited.
 */
export async function onEveryStore(suite: string, run: (store: Store) => void): Promise<void> {
  const [redis, postgres] = await Promise.all([redisToShare(suite), postgresToShare(suite)]);
  if (redis !== null) after(() => redis.stop());
  if (postgres !== null) after(() => postgres.stop());
  run(memoryStore);
  run(lmdbStore);
  if (redis !== null) run(redisStore(redis));
  if (postgres !== null) run(postgresStore(postgres));
}
