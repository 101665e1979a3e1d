import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { median } from "../../../bench/lib/median.js";
import { seededRandom } from "../../../bench/lib/rng.js";
import { zipfGenerator } from "../../../bench/lib/zipf.js";
import { makeInputs } from "../../../bench/load/inputs.js";
import { makeValues, VALUE_BYTES } from "../../../bench/load/records.js";
import { slopePerMinute } from "../../../bench/load/soak.js";
import { generateLlmTrace } from "../../../bench/load/trace-generator.js";
import { bindOperation } from "../../../bench/load/workload.js";
import type { Peer } from "../../../bench/peers/peer.js";

describe("zipf", () => {
  test("gives each rank the share that the distribution says", () => {
    const items = 1000;
    const draws = 400_000;
    const next = zipfGenerator(seededRandom(2), items, 0.99);
    const counts = new Float64Array(items);
    for (let i = 0; i < draws; i++) counts[next()]!++;
    let sum = 0;
    for (let rank = 0; rank < items; rank++) sum += 1 / (rank + 1) ** 0.99;
    for (const rank of [0, 1, 9, 99]) {
      const expected = draws / (rank + 1) ** 0.99 / sum;
      const tolerance = 5 * Math.sqrt(expected);
      assert.ok(Math.abs(counts[rank]! - expected) < tolerance, `rank ${rank}: ${counts[rank]} for ${expected}`);
    }
    assert.ok(counts[items - 1]! > 0);
  });
});

describe("inputs", () => {
  test("are the same for the same seed", () => {
    const shape = { size: "100B", space: "x", keyCount: 500 } as const;
    assert.deepEqual(makeInputs(shape, 5), makeInputs(shape, 5));
    assert.notDeepEqual(makeInputs(shape, 5).indices, makeInputs(shape, 6).indices);
  });

  test("write another value to a key each time it comes round", async () => {
    const inputs = makeInputs({ size: "100B", space: "x", keyCount: 300 }, 5);
    const last = new Map<string, string>();
    let repeats = 0;
    const issue = bindOperation(
      "put",
      {
        put: async (key: string, value: string) => {
          if (last.get(key) === value) repeats++;
          last.set(key, value);
        },
      } as Peer,
      inputs,
    );
    for (let i = 0; i < 2 * inputs.indices.length; i++) await issue();
    // Two picks of 8191 values are the same now and then; the same at every turn would be every time.
    assert.ok(repeats / (2 * inputs.indices.length) < 0.001, String(repeats));
  });

  test("values have their size to the byte, are distinct, and the large ones are JSON", () => {
    for (const size of ["100B", "1KiB", "16KiB"] as const) {
      const values = makeValues(seededRandom(3), size, 50);
      assert.equal(new Set(values).size, 50);
      for (const value of values) {
        assert.equal(Buffer.byteLength(value), VALUE_BYTES[size]);
        if (size !== "100B") assert.equal(typeof JSON.parse(value), "object");
      }
    }
  });
});

describe("the seeded trace", () => {
  test("has the shape of the published one: an hour of requests, its medians and its spread", () => {
    const trace = generateLlmTrace(1);
    assert.equal(trace.length, 19_366);
    const minutes = (trace.at(-1)!.atMs - trace[0]!.atMs) / 60_000;
    assert.ok(minutes > 45 && minutes < 75, String(minutes));
    const context = median(trace.map((request) => request.contextTokens));
    const generated = median(trace.map((request) => request.generatedTokens));
    assert.ok(context > 600 && context < 1_100, String(context));
    assert.ok(generated > 110 && generated < 200, String(generated));
    assert.ok(trace.every((request, index) => index === 0 || request.atMs >= trace[index - 1]!.atMs));
    assert.deepEqual(generateLlmTrace(1), trace);
  });
});

describe("slope", () => {
  test("is the growth per minute whatever the offset", () => {
    assert.ok(
      Math.abs(
        slopePerMinute([
          [0, 100],
          [30_000, 101],
          [60_000, 102],
        ]) - 2,
      ) < 1e-9,
    );
    assert.equal(slopePerMinute([[0, 1]]), 0);
  });
});
