import fc from "fast-check";

/** A JSON record of about `bytes` bytes, like those the engine is fed: repeated field names, varying numbers. */
export function sampleRecord(bytes: number, seed = 1): string {
  let state = (seed * 2654435761) >>> 0;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const calls: object[] = [];
  const record = { id: `request-${seed}`, timestampMs: 1_700_000_000_000 + seed * 137, calls };
  while (JSON.stringify(record).length < bytes) {
    calls.push({
      model: ["large", "small", "embedding"][random(3)],
      promptTokens: random(4096),
      completionTokens: random(1024),
      latencyMs: random(100_000) / 100,
      status: random(20) === 0 ? "error" : "ok",
    });
  }
  return JSON.stringify(record);
}

const pieces = [
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(fc.nat(255), fc.nat(70_000)).map(([byte, length]) => Buffer.alloc(length, byte)),
  fc.tuple(fc.nat({ max: 50_000 }), fc.nat(1000)).map(([bytes, seed]) => Buffer.from(sampleRecord(bytes, seed))),
  fc.tuple(fc.nat(), fc.nat(30_000)).map(([seed, length]) => incompressibleBytes(length, seed)),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(4000))
    .map(([unit, times]) => Buffer.alloc(unit.length * times, unit)),
];

/** Binary values of 0 to 200 KiB: random, repetitive, records, and any of these one after the other. */
export const binaryValues: fc.Arbitrary<Buffer> = fc
  .array(fc.oneof(...pieces), { maxLength: 5 })
  .map((parts) => Buffer.concat(parts).subarray(0, 200 * 1024));

/** Strings of one to four bytes a character, up to about 200 KiB of UTF-8. */
export const textValues: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 400 }),
  fc.tuple(fc.string({ unit: "grapheme", maxLength: 60 }), fc.nat(800)).map(([unit, times]) => unit.repeat(times)),
  fc.tuple(fc.nat({ max: 100_000 }), fc.nat(1000)).map(([bytes, seed]) => sampleRecord(bytes, seed)),
);

export function incompressibleBytes(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = (seed ^ 0x9e3779b9) | 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state >>> 11;
  }
  return bytes;
}
