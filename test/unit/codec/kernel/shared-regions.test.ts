import assert from "node:assert/strict";
import { test } from "node:test";
import { SCANNING_REGION_BYTES, ScanningRegion } from "../../../../src/codec/kernel/scanning-region.js";
import { SEALING_REGION_BYTES, SealingRegion } from "../../../../src/codec/kernel/sealing-region.js";

test("several engines with several connections each have memory of the kernel, and none that another has", () => {
  const reads = Array.from({ length: 32 }, () => ScanningRegion.take());
  const writes = Array.from({ length: 64 }, () => SealingRegion.take(0));
  const places = [...reads, ...writes].map((region) => {
    assert.ok(region !== undefined);
    const { bytes } = region;
    return { from: bytes.byteOffset, until: bytes.byteOffset + bytes.length };
  });
  for (const [index, { length }] of reads.map((region) => region!.bytes).entries()) {
    assert.equal(length, SCANNING_REGION_BYTES, `scanning region ${index}`);
  }
  for (const region of writes) assert.equal(region!.bytes.length, SEALING_REGION_BYTES);
  places.sort((a, b) => a.from - b.from);
  for (const [index, { from }] of places.entries()) {
    if (index > 0)
      assert.ok(from >= places[index - 1]!.until, `regions ${index - 1} and ${index} lie over one another`);
  }
  assert.equal(ScanningRegion.take(), undefined, "who comes then does without");
  assert.equal(SealingRegion.take(0), undefined);
});
