import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { instantiateWasm, type WasmMemory } from "../../../../src/codec/compression/packaged-wasm.js";
import { kernelModule } from "../../../../src/codec/kernel/kernel-instance.js";
import { referenceLz4Decode } from "../compression/reference-lz4.js";
import { binaryValues, incompressibleBytes, sampleRecord } from "../compression/sample-values.js";

interface Exports {
  readonly memory: WasmMemory;
  crc32(at: number, bytes: number, seed: number): number;
  compressBlock(input: number, bytes: number, output: number): number;
  decompressBlock(input: number, bytes: number, output: number, rawBytes: number): number;
}

const INPUT = 64 * 1024;
const OUTPUT = 512 * 1024;
const MEMORY_BYTES = 1024 * 1024;
const SLACK_BYTES = 64;
const UNTOUCHED = 0xa5;

function openKernel(): { wasm: Exports; memory: Buffer } {
  const wasm = instantiateWasm<Exports>(kernelModule()!, {});
  const memory = Buffer.from(wasm.memory.buffer);
  assert.equal(memory.length, MEMORY_BYTES);
  return { wasm, memory };
}

const { wasm, memory } = openKernel();

function compress(value: Uint8Array, input = INPUT, output = OUTPUT): Buffer {
  memory.set(value, input);
  return Buffer.from(memory.subarray(output, output + wasm.compressBlock(input, value.length, output)));
}

/** Decodes with all memory around the two regions marked, and checks the marks. */
function decompressFenced(block: Uint8Array, rawBytes: number): Buffer | undefined {
  memory.fill(UNTOUCHED, INPUT);
  memory.set(block, INPUT);
  const result = wasm.decompressBlock(INPUT, block.length, OUTPUT, rawBytes);
  const isUntouched = (from: number, to: number): boolean => memory.subarray(from, to).equals(MARKS.subarray(from, to));
  assert.ok(memory.subarray(INPUT, INPUT + block.length).equals(block), "changed its input");
  assert.ok(isUntouched(INPUT + block.length, OUTPUT), "wrote before the output");
  assert.ok(isUntouched(OUTPUT + rawBytes + SLACK_BYTES, MEMORY_BYTES), "wrote past the slack behind the output");
  if (result < 0) return undefined;
  assert.equal(result, rawBytes);
  return Buffer.from(memory.subarray(OUTPUT, OUTPUT + rawBytes));
}
const MARKS = Buffer.alloc(MEMORY_BYTES, UNTOUCHED);

/** The places of the format that readers in a hurry rely on. */
function assertEndRules(block: Buffer, rawBytes: number): void {
  const cursor = { at: 0 };
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    for (let more = nibble === 15 ? 255 : 0; more === 255; length += more) more = block[cursor.at++]!;
    return length;
  };
  let out = 0;
  let lastMatchStart = -1;
  while (cursor.at < block.length) {
    const token = block[cursor.at++]!;
    const literals = lengthFrom(token >>> 4);
    cursor.at += literals;
    out += literals;
    if (cursor.at === block.length) {
      assert.equal(out, rawBytes);
      if (lastMatchStart < 0) return;
      assert.ok(literals >= 5, `the block ends in ${literals} literals`);
      assert.ok(lastMatchStart <= rawBytes - 12, `a match starts ${rawBytes - lastMatchStart} bytes before the end`);
      return;
    }
    cursor.at += 2;
    lastMatchStart = out;
    out += lengthFrom(token & 15) + 4;
  }
  assert.fail(`a length leads to byte ${cursor.at} of a block of ${block.length}: ${block.toString("hex")}`);
}

test("the kernel's CRC-32 is zlib's at every length, place and seed", () => {
  const bytes = incompressibleBytes(700, 11);
  for (let length = 0; length <= 600; length++) {
    const offset = length % 17;
    const part = bytes.subarray(offset, offset + length);
    const seed = (length * 2654435761) >>> 0;
    memory.set(part, INPUT + (length % 13));
    assert.equal(wasm.crc32(INPUT + (length % 13), length, seed | 0) >>> 0, zlibCrc32(part, seed), `length ${length}`);
  }
});

test("the kernel's CRC-32 goes on from the result of the part before", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(3000), fc.nat(0xffffffff), (bytes, cut, seed) => {
      const first = Math.min(cut, bytes.length);
      memory.set(bytes, INPUT);
      const half = wasm.crc32(INPUT, first, seed | 0);
      assert.equal(wasm.crc32(INPUT + first, bytes.length - first, half) >>> 0, zlibCrc32(bytes, seed));
    }),
  );
});

test("blocks hold to the format and its rules for their end, and decode within their regions", () => {
  fc.assert(
    fc.property(binaryValues, (value) => {
      const block = compress(value);
      assertEndRules(block, value.length);
      assert.ok(referenceLz4Decode(block).equals(value));
      assert.ok(decompressFenced(block, value.length)!.equals(value));
    }),
    { numRuns: 150 },
  );
});

test("every length up to 400 and every alignment of input and output round-trips", () => {
  const texts = [Buffer.from(sampleRecord(500)), Buffer.alloc(500, "ab"), incompressibleBytes(500, 5)];
  for (const text of texts) {
    for (let length = 0; length <= 400; length++) {
      const value = text.subarray(0, length);
      const block = compress(value, INPUT + (length & 15), OUTPUT + ((length * 7) & 15));
      assertEndRules(block, length);
      assert.ok(decompressFenced(block, length)!.equals(value), `length ${length}`);
    }
  }
});

test("matches at every distance and length are copied as if byte by byte", () => {
  for (let distance = 1; distance <= 40; distance++) {
    for (const length of [4, 5, 7, 8, 9, 15, 16, 17, 18, 19, 31, 33, 64, 100, 273, 274, 600]) {
      const unit = incompressibleBytes(distance, distance);
      const rest = length - 19;
      const block = Buffer.concat([
        Buffer.from([0xf0 | Math.min(length - 4, 15), 40 - 15]),
        incompressibleBytes(40 - distance, 99),
        unit,
        Buffer.from([distance, 0]),
        Buffer.from(rest < 0 ? [] : [...Array(Math.floor(rest / 255)).fill(255), rest % 255]),
        Buffer.from([0x50]),
        Buffer.from("Final"),
      ]);
      const expected = referenceLz4Decode(block);
      assert.ok(decompressFenced(block, 40 + length + 5)!.equals(expected), `distance ${distance}, length ${length}`);
    }
  }
});

test("damaged, cut and made-up blocks under any length stay within their regions", () => {
  const blocks = [sampleRecord(900), "ab".repeat(300), "x".repeat(5000)].map((text) => compress(Buffer.from(text)));
  const rawSizes = [Buffer.byteLength(sampleRecord(900)), 600, 5000];
  fc.assert(
    fc.property(
      fc.nat(3),
      fc.array(fc.tuple(fc.nat(1000), fc.nat(255)), { maxLength: 4 }),
      fc.nat(1000),
      fc.uint8Array({ maxLength: 120 }),
      fc.oneof(fc.constant(0), fc.nat(6000)),
      (which, damage, cut, madeUp, claimed) => {
        const good = blocks[which];
        const block = good === undefined ? Buffer.from(madeUp) : Buffer.from(good.subarray(0, good.length - (cut % 7)));
        for (const [at, byte] of damage) if (block.length > 0) block[at % block.length] = byte;
        decompressFenced(block, claimed === 0 ? (rawSizes[which] ?? 100) : claimed);
      },
    ),
    { numRuns: 20_000 },
  );
});

test("a block that would copy from before its output, or past its end, is refused", () => {
  const block = (...bytes: number[]): Buffer => Buffer.from([...bytes, 0x50, 1, 2, 3, 4, 5]);
  assert.notEqual(decompressFenced(block(0x40, 1, 2, 3, 4, 4, 0), 4 + 4 + 5), undefined);
  assert.equal(decompressFenced(block(0x40, 1, 2, 3, 4, 5, 0), 4 + 4 + 5), undefined, "distance beyond the start");
  assert.equal(decompressFenced(block(0x40, 1, 2, 3, 4, 0, 0), 4 + 4 + 5), undefined, "distance zero");
  assert.equal(decompressFenced(block(0x4f, 1, 2, 3, 4, 4, 0, 255, 255, 9), 4 + 4 + 5), undefined, "match too long");
  assert.equal(
    decompressFenced(Buffer.from([0xf0, 255, 255, 255, 0, 1, 2]), 800),
    undefined,
    "literals beyond the block",
  );
  assert.equal(decompressFenced(Buffer.from([0x50, 1, 2, 3, 4, 5]), 4), undefined, "literals beyond the output");
  assert.equal(decompressFenced(Buffer.from([0xf0, 255]), 800), undefined, "a length without an end");
  assert.equal(decompressFenced(block(0x40, 1, 2, 3, 4, 4), 100), undefined, "half a distance");
});

test("a block at the very end of memory is not read past its end", () => {
  const placed = (...bytes: number[]): number => {
    // What lies behind goes on as the block stops: lengths that have no end, literals that are not there.
    memory.fill(255, MEMORY_BYTES - SLACK_BYTES);
    const input = MEMORY_BYTES - SLACK_BYTES - bytes.length;
    memory.set(bytes, input);
    return wasm.decompressBlock(input, bytes.length, OUTPUT, 100_000);
  };
  assert.ok(placed(0xf0) < 0, "literal length");
  assert.ok(placed(0xf0, 255, 255) < 0, "literal length");
  assert.ok(placed(0xf0, 255, 100, 1, 2, 3) < 0, "literals");
  assert.ok(placed(0x1f, 7, 1, 0) < 0, "match length");
  assert.ok(placed(0x1f, 7, 1, 0, 255) < 0, "match length");
  assert.ok(placed(0x10, 7, 1) < 0, "distance");
});

test("positions kept between calls are not mistaken for new ones when their numbers start over", () => {
  const fresh = openKernel();
  const reach = 65_536;
  const filler = 48 * 1024 * 1024;
  const shift = 4096;
  const output = INPUT + filler + reach;
  fresh.wasm.memory.grow((output + 2 * reach + filler / 255 - MEMORY_BYTES) / reach + 1);
  const all = Buffer.from(fresh.wasm.memory.buffer);
  const record = Buffer.from(sampleRecord(3000));
  const roundTrip = (input: number): void => {
    all.set(record, input);
    const blockBytes = fresh.wasm.compressBlock(input, record.length, output);
    assert.ok(referenceLz4Decode(all.subarray(output, output + blockBytes)).equals(record));
  };
  roundTrip(INPUT);
  all.fill(0x20, INPUT, INPUT + filler);
  // Each call moves positions on by its length and the reach of a match. After 2^32 and `shift` the record, lying that
  // much later, would meet its own positions of the first time, and find the same bytes there.
  let left = 2 ** 32 + shift - reach - record.length;
  for (; left > filler + reach; left -= filler + reach) fresh.wasm.compressBlock(INPUT, filler, output);
  fresh.wasm.compressBlock(INPUT, left - reach, output);
  all.set(record, INPUT);
  roundTrip(INPUT + shift);
});
