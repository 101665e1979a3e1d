import { Redis } from "ioredis";
import { openCompressor } from "../../codec/compression/open-compressor.js";
import { Envelope } from "../../codec/envelope.js";
import { crc32 } from "../../core/crc32.js";
import type { ReadBack } from "./verify-histories.js";

const LIFETIMES = "local left = {} for i, key in ipairs(KEYS) do left[i] = redis.call('PTTL', key) end return left";

export interface RedisReadBack {
  readonly read: ReadBack;
  close(): void;
}

/** Reads an engine's values and their lifetimes from a Redis server through ioredis, on a connection of its own. */
export function redisReadBack(url: string, keyPrefix = "state:"): RedisReadBack {
  const client = new Redis(url, { maxRetriesPerRequest: null, enableReadyCheck: false });
  // A server that is away for a while is what ledgers are for: reads wait for it.
  client.on("error", () => {});
  const codec = new Envelope({
    checksum: "crc32",
    compressor: undefined,
    thresholdBytes: Number.POSITIVE_INFINITY,
    decompressors: [
      openCompressor("lz4", undefined),
      openCompressor("zstd", undefined),
      openCompressor("snappy", undefined),
    ],
    maxValueBytes: 512 * 1024 * 1024,
  });
  return {
    async read(keys) {
      const names = keys.map((key) => Buffer.from(keyPrefix + key, "utf8"));
      const [lifetimes, values] = await Promise.all([
        client.eval(LIFETIMES, names.length, ...names) as Promise<number[]>,
        client.mgetBuffer(names),
      ]);
      return values.map((stored, index) => {
        if (stored === null) return null;
        const value = codec.decode(stored, 0, stored.length, crc32(names[index]!));
        const leftMs = lifetimes[index]!;
        // Ended between the two questions: that it was there is all that is known.
        if (leftMs === -2) return value;
        return { value, ttlMs: leftMs === -1 ? Number.POSITIVE_INFINITY : leftMs };
      });
    },
    close: () => client.disconnect(),
  };
}
