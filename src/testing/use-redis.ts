import { Redis } from "ioredis";
import type { RedisKind } from "./find-redis-server.js";
import { startRedis } from "./redis-server.js";

/** A server to talk to, whoever started it. */
export interface UsedRedis {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly kind: RedisKind;
  readonly version: string;
  /** null: a server that was there before. */
  readonly pid: number | null;
  /** Stops the server if it was started here; a server that was there before is left as it is. */
  stop(): Promise<void>;
}

/** The server of `url` (default: `MILLRACE_REDIS_URL`), else one started for the caller. */
export async function useRedis(url: string | undefined = process.env.MILLRACE_REDIS_URL): Promise<UsedRedis> {
  return url === undefined || url === "" ? startRedis() : describeRedis(url);
}

async function describeRedis(url: string): Promise<UsedRedis> {
  const { hostname, port } = new URL(url);
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  let lastError: Error | undefined;
  client.on("error", (error: Error) => {
    lastError = error;
  });
  try {
    await client.connect();
    const fields = new Map(
      (await client.info("server")).split("\r\n").map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1)] as const;
      }),
    );
    const valkey = fields.get("valkey_version");
    return {
      url,
      host: hostname,
      port: port === "" ? 6379 : Number(port),
      kind: valkey === undefined ? "redis" : "valkey",
      version: valkey ?? fields.get("redis_version") ?? "unknown",
      pid: null,
      stop: async () => {},
    };
  } catch (error) {
    throw new Error(`no Redis answers at ${hostname}:${port || 6379}: ${(lastError ?? (error as Error)).message}`);
  } finally {
    client.disconnect();
  }
}
