import assert from "node:assert/strict";
import { test } from "node:test";
import { headOf } from "../../../src/workers/protocol.js";
import { ResultBlocks } from "../../../src/workers/result-blocks.js";

/** What a returned value may keep in memory besides itself (docs/guarantees.md). */
const MOST_BESIDES = 8192;

test("a value keeps no more than 8 KiB besides itself alive, whatever it was decoded with", () => {
  const sizes = [2000, 40_000, 4096, 0, 4097, 16_000, 2000, 16_384, 3000, 3000, 3000, 100_000, 1];
  const values = sizes.map((bytes, index) => Buffer.alloc(bytes, index + 1));
  const head = headOf(new ArrayBuffer(sizes.length * 12), sizes.length);
  const results = new ResultBlocks();
  for (const [index, value] of values.entries()) results.add(Buffer.from(value), head, index * 3);
  const blocks = results.finish();
  for (const [index, value] of values.entries()) {
    const [block, start, end] = head.subarray(index * 3, index * 3 + 3);
    const memory = blocks[block!]!;
    assert.ok(Buffer.from(memory, start!, end! - start!).equals(value), `value ${index}`);
    assert.ok(memory.byteLength - value.length <= MOST_BESIDES, `value ${index} keeps ${memory.byteLength} bytes`);
  }
});
