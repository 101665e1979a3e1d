import { setTimeout as delay } from "node:timers/promises";
import { Client, type QueryResult } from "pg";
import { below, type Random } from "../../bench/lib/rng.js";
import { createEngine } from "../../src/index.js";
import {
  type FaultProxy,
  type PostgresServer,
  startFaultProxy,
  startPgBouncer,
  startPostgres,
} from "../../src/testing/index.js";

/** What the sessions under test call themselves, so that faults can be aimed at them. */
const SUBJECT = "subject";

/** A server, the proxy through which the engine reaches it, and ways past the proxy that survive what is done to both. */
export interface PostgresArena {
  readonly server: PostgresServer;
  readonly proxy: FaultProxy;
  /** For the engine under test. */
  readonly url: string;
  /** Straight to the server; waits for one that is away. */
  sql(text: string): Promise<QueryResult>;
  /** What is stored under these keys, and for how long. */
  readBack(keys: readonly string[]): Promise<({ value: Buffer; ttlMs: number } | Buffer | null)[]>;
  /** Resolves when nothing that was sent earlier, on whatever connection, is being carried out. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** @param isPooled a pooler with a few connections stands between the proxy and the server */
export async function openPostgresArena(isPooled = false): Promise<PostgresArena> {
  const server = await startPostgres();
  const pooler = isPooled ? await startPgBouncer(server, 4) : undefined;
  const proxy = await startFaultProxy(pooler?.port ?? server.port);
  const url = server.url.replace(`:${server.port}/`, `:${proxy.port}/`);
  const direct = await createEngine({ backend: server.url, timeouts: { operationMs: 20_000 } });
  let admin: Client | undefined;

  async function sql(text: string): Promise<QueryResult> {
    return untilItWorks(async () => {
      try {
        admin ??= await connected(server.url);
        return await admin.query(text);
      } catch (error) {
        void admin?.end().catch(() => {});
        admin = undefined;
        throw error;
      }
    });
  }

  return {
    server,
    proxy,
    url: `${url}?sslmode=disable&application_name=${SUBJECT}`,
    sql,
    readBack: (keys) =>
      untilItWorks(async () => {
        const [values, lifetimes] = await Promise.all([
          direct.batchGet(keys),
          Promise.all(keys.map((key) => direct.ttl(key))),
        ]);
        return values.map((value, index) => {
          const ttlMs = lifetimes[index];
          return value === null || ttlMs === null || ttlMs === undefined ? value : { value, ttlMs };
        });
      }),
    async settled() {
      const atWork = `SELECT FROM pg_stat_activity WHERE application_name = '${SUBJECT}' AND state <> 'idle'`;
      for (let looks = 0; looks < 3; await delay(20)) looks = (await sql(atWork)).rowCount === 0 ? looks + 1 : 0;
    },
    async close() {
      await admin?.end();
      await direct.close();
      await proxy.close();
      await pooler?.stop();
      await server.stop();
    },
  };
}

export type PostgresFault = (arena: PostgresArena, random: Random) => Promise<unknown>;

const LONGEST_MS = 1000;

async function meanwhile(arena: PostgresArena, faults: Parameters<FaultProxy["set"]>[0], ms: number): Promise<void> {
  await arena.proxy.set(faults);
  await delay(ms);
  await arena.proxy.clear();
}

const onSubject = (doing: string, which = ""): string =>
  `SELECT ${doing}(pid) FROM pg_stat_activity WHERE application_name = '${SUBJECT}' ${which}`;

/** What can become of a server and the way to it. */
export const POSTGRES_FAULTS: Readonly<Record<string, PostgresFault>> = {
  cut: ({ proxy }) => proxy.cut(),
  "cut-storm": (arena) => meanwhile(arena, { cutEveryMs: 40 }, 400),
  "lost-ack": async ({ proxy }) => {
    const { happened } = await proxy.arm({ kind: "lost-ack" });
    await Promise.race([happened, delay(500)]);
  },
  "half-open-in": (arena, random) => meanwhile(arena, { toClient: { swallow: true } }, 100 + below(random, LONGEST_MS)),
  "half-open-out": (arena, random) =>
    meanwhile(arena, { toServer: { swallow: true } }, 100 + below(random, LONGEST_MS)),
  latency: (arena) => meanwhile(arena, { toServer: { delayMs: 60 }, toClient: { delayMs: 60 } }, 400),
  bandwidth: (arena) => meanwhile(arena, { toClient: { bytesPerSecond: 50_000 } }, 300),
  refuse: async (arena, random) => {
    const accept = (["refuse", "close", "silence"] as const)[below(random, 3)]!;
    await arena.proxy.set({ accept });
    await arena.proxy.cut();
    await delay(below(random, LONGEST_MS));
    await arena.proxy.clear();
  },
  "kill-9": async ({ server }, random) => {
    await server.kill();
    await delay(below(random, 300));
    await server.restart();
  },
  freeze: async ({ server }, random) => {
    server.pause();
    await delay(below(random, LONGEST_MS));
    server.resume();
  },
  terminate: ({ sql }) => sql(onSubject("pg_terminate_backend")),
  cancel: async ({ sql }) => {
    for (let i = 0; i < 10; i++) {
      await sql(onSubject("pg_cancel_backend", "AND state = 'active'"));
      await delay(10);
    }
  },
  "table-lock": async ({ sql }, random) => {
    await sql("BEGIN; LOCK TABLE millrace_entries IN ACCESS EXCLUSIVE MODE");
    await delay(below(random, LONGEST_MS));
    await sql("COMMIT");
  },
};

async function connected(url: string): Promise<Client> {
  const client = new Client(url);
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** A server that was killed is back within this; whatever fails for longer has another cause. */
const PATIENCE_MS = 30_000;

async function untilItWorks<T>(work: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await delay(20);
    }
  }
}
