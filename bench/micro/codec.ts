import { openCompressor } from "../../src/codec/compression/open-compressor.js";
import { seededRandom } from "../lib/rng.js";
import { makeValues, VALUE_BYTES } from "../load/records.js";
import type { MicroCase, MicroSuite } from "./suite.js";

const COUNT = 32;

/** Each compressor by itself on the records of the bench. */
export async function codecSuite(): Promise<MicroSuite> {
  const cases: MicroCase[] = [];
  for (const size of ["1KiB", "16KiB"] as const) {
    const values = makeValues(seededRandom(4), size, COUNT);
    const room = VALUE_BYTES[size] * 2;
    for (const name of ["lz4", "snappy", "zstd"] as const) {
      const compressor = openCompressor(name);
      compressor.prepare();
      const target = Buffer.alloc(room);
      const stored = values.map((value) => {
        const end = compressor.compressInto(value, target, 0, room);
        return Buffer.from(target.subarray(0, end));
      });
      const ratio = (VALUE_BYTES[size] * COUNT) / stored.reduce((sum, bytes) => sum + bytes.length, 0);
      cases.push({
        name: `${name} compress ${size} (ratio ${ratio.toFixed(2)})`,
        operations: COUNT,
        run: () => {
          for (const value of values) compressor.compressInto(value, target, 0, room);
        },
      });
      cases.push({
        name: `${name} decompress ${size}`,
        operations: COUNT,
        run: () => {
          for (const bytes of stored) compressor.decompress(bytes, 0, bytes.length, VALUE_BYTES[size]);
        },
      });
    }
  }
  return { cases, close: async () => {} };
}
