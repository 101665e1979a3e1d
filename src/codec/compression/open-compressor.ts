import type { Compressor, CompressorName } from "./compressor.js";
import { Lz4Compressor } from "./lz4.js";
import { SnappyCompressor } from "./snappy.js";
import { ZstdCompressor } from "./zstd.js";

/**
 * A compressor by its name. Nothing is loaded before `prepare()` or the first value, so one may be made for every
 * codec a stored value could name. Not to be shared between threads.
 * @throws ConfigError for a zstd level that is not a whole number from 1 to 19; the other codecs have no levels
 */
export function openCompressor(name: CompressorName, level?: number): Compressor {
  switch (name) {
    case "lz4":
      return new Lz4Compressor();
    case "zstd":
      return new ZstdCompressor(level);
    case "snappy":
      return new SnappyCompressor();
  }
}
