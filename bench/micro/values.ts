import { viewOf } from "../../src/core/value-memory.js";
import type { MicroCase, MicroSuite } from "./suite.js";

const COUNT = 64;
const VALUE_BYTES = 100;

/** Handing out values as views of a block that was copied as a whole. */
export async function valuesSuite(): Promise<MicroSuite> {
  const block = Buffer.allocUnsafeSlow(COUNT * VALUE_BYTES);
  const memory = block.buffer;
  // Kept, because a view that nobody keeps may never be made.
  const kept: Buffer[] = new Array<Buffer>(COUNT).fill(block);
  const cases: MicroCase[] = [
    {
      name: "view by Buffer.subarray",
      operations: COUNT,
      run: () => {
        for (let index = 0; index < COUNT; index++) {
          kept[index] = block.subarray(index * VALUE_BYTES, (index + 1) * VALUE_BYTES);
        }
      },
    },
    {
      name: "view by viewOf",
      operations: COUNT,
      run: () => {
        for (let index = 0; index < COUNT; index++) kept[index] = viewOf(memory, index * VALUE_BYTES, VALUE_BYTES);
      },
    },
  ];
  return { cases, close: async () => {} };
}
