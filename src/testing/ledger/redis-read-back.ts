import { Redis } from "ioredis";
import { openCompressor } from "../../codec/compression/open-compressor.js";
import { Envelope } from "../../codec/envelope.js";
import { crc32 } from "../../core/crc32.js";
import type { ReadBack } from "./create-ledger.js";

export interface RedisReadBack {
  readonly read: ReadBack;
  close(): void;
}

/** Reads an engine's values from a Redis server through ioredis, on a connection of its own. */
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
      const stored = keys.map((key) => Buffer.from(keyPrefix + key, "utf8"));
      const values = await client.mgetBuffer(stored);
      return values.map((value, index) =>
        value === null ? null : codec.decode(value, 0, value.length, crc32(stored[index]!)),
      );
    },
    close: () => client.disconnect(),
  };
}
