import { Envelope } from "../../src/codec/envelope.js";
import { crc32, crc32Sliced } from "../../src/core/crc32.js";
import { seededRandom } from "../lib/rng.js";
import { makeValues, VALUE_BYTES } from "../load/records.js";
import type { MicroCase, MicroSuite } from "./suite.js";

const COUNT = 256;
const MAX_VALUE_BYTES = 16 * 1024 * 1024;

/** Header and checksum around a value, without compression. */
export async function envelopeSuite(): Promise<MicroSuite> {
  const cases: MicroCase[] = [];
  for (const size of ["100B", "1KiB"] as const) {
    const values = makeValues(seededRandom(2), size, COUNT);
    for (const checksum of ["crc32", "none"] as const) {
      const envelope = new Envelope({
        ...{ checksum, compressor: undefined, decompressors: [] },
        ...{ thresholdBytes: 1024, maxValueBytes: MAX_VALUE_BYTES },
      });
      const slab = Buffer.alloc(COUNT * (VALUE_BYTES[size] * 3 + 64));
      const ends: number[] = [];
      const encodeAll = (): void => {
        let at = 0;
        for (let index = 0; index < COUNT; index++) {
          at = envelope.encodeInto(slab, at, index, values[index]!);
          ends[index] = at;
        }
      };
      encodeAll();
      cases.push({ name: `encode ${size}, checksum ${checksum}`, operations: COUNT, run: encodeAll });
      cases.push({
        name: `decode ${size}, checksum ${checksum}`,
        operations: COUNT,
        run: () => {
          let start = 0;
          for (let index = 0; index < COUNT; index++) {
            envelope.decode(slab, start, ends[index]!, index);
            start = ends[index]!;
          }
        },
      });
    }
  }
  const bytes = Buffer.from(makeValues(seededRandom(3), "16KiB", 1)[0]!);
  for (const length of [20, 100, 256, 512, 1024, 4096]) {
    for (const [name, checksum] of [
      ["table", crc32Sliced],
      ["chosen", crc32],
    ] as const) {
      cases.push({
        name: `crc32 of ${length} B, ${name}`,
        operations: COUNT,
        run: () => {
          for (let index = 0; index < COUNT; index++) checksum(bytes, index, index + length, 0);
        },
      });
    }
  }
  return { cases, close: async () => {} };
}
