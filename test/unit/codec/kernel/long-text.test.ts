import assert from "node:assert/strict";
import { test } from "node:test";
import { KernelInstance } from "../../../../src/codec/kernel/kernel-instance.js";

const UNITS = 600_000;
/** Where a kernel's memory has the value, behind its tables. */
const INPUT = 33 * 1024;

/** So many bytes of UTF-8 in `UNITS` units. */
function textOf(bytes: number): string {
  const more = bytes - UNITS;
  const [euros, accents] = [more >> 1, more & 1];
  return "€".repeat(euros) + "é".repeat(accents) + "a".repeat(UNITS - euros - accents);
}

function roundTrip(kernel: KernelInstance, text: string): Buffer | undefined {
  const bytes = Buffer.byteLength(text);
  const target = Buffer.alloc(2 * bytes);
  const end = kernel.compressInto(text, target, 0, target.length);
  assert.equal(kernel.lastRawBytes, bytes);
  return kernel.decompress(target, 0, end, bytes);
}

test("long text is taken whole, however its bytes fit into the memory that is there", () => {
  // What a new instance has for so many units of one byte each.
  const sized = new KernelInstance();
  sized.compressInto("a".repeat(UNITS), Buffer.alloc(UNITS), 0, UNITS);
  const room = sized.memoryBytes - INPUT;
  assert.ok(room > UNITS && room < 3 * UNITS);
  for (let bytes = room - 8; bytes <= room + 8; bytes++) {
    const text = textOf(bytes);
    assert.equal(Buffer.byteLength(text), bytes);
    assert.ok(
      roundTrip(new KernelInstance(), text)?.equals(Buffer.from(text)),
      `${bytes - room} bytes beyond the room`,
    );
  }
});

test("long text of every kind of character comes back from a kernel used before", () => {
  const kernel = new KernelInstance();
  for (const unit of ["a", "é", "€", "😀", "ab€", "😀é", "\ud800"]) {
    for (const count of [65_537, 200_000]) {
      const text = unit.repeat(Math.ceil(count / unit.length));
      assert.ok(roundTrip(kernel, text)?.equals(Buffer.from(text)), `${count} units of ${unit}`);
      assert.ok(roundTrip(new KernelInstance(), text)?.equals(Buffer.from(text)), `${count} units of ${unit}, anew`);
    }
  }
});
