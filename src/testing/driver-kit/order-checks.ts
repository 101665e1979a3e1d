import assert from "node:assert/strict";
import type { BatchProbe } from "./batch-probe.js";
import type { Check, Subject } from "./subject.js";

const BATCHES = 300;
const OPERATIONS = 20;
const KEYS = 12;

export const orderChecks: readonly Check[] = [
  {
    name: "within a batch a read does not see the write of its key, a put follows a delete",
    async run(subject) {
      await subject.put("a", "old");
      const [read, there, existed] = await subject.batch((probe) =>
        Promise.all([
          probe.get("a"),
          probe.contains("b"),
          probe.delete("a"),
          probe.put("a", "new"),
          probe.put("b", "1"),
        ]),
      );
      assert.deepEqual([String(read), there, existed], ["old", false, true]);
      assert.equal(await subject.read("a"), "new");
    },
  },
  {
    name: "batches handed over without waiting take effect in their order",
    async run(subject) {
      const seen: Promise<string | null>[] = [];
      const expected: (string | null)[] = [];
      for (let round = 0; round < 50; round++) {
        void subject.put("a", `value ${round}`);
        seen.push(subject.read("a"));
        expected.push(`value ${round}`);
        if (round % 5 === 4) {
          seen.push(subject.batch(async (probe) => ((await probe.delete("a")) ? "deleted" : null)));
          seen.push(subject.read("a"));
          expected.push("deleted", null);
        }
        if (round % 7 === 0) await seen[seen.length - 1];
      }
      assert.deepEqual(await Promise.all(seen), expected);
    },
  },
  {
    name: "delete tells whether the key was there",
    async run(subject) {
      await subject.put("a", "1");
      const existed = await subject.batch((probe) => Promise.all([probe.delete("a"), probe.delete("c")]));
      assert.deepEqual(existed, [true, false]);
      assert.equal(await subject.batch((probe) => probe.delete("a")), false);
    },
  },
  {
    name: "thousands of operations of every kind, drawn at random, give what a map would give",
    run: compareWithMap,
  },
  {
    name: "every request of every batch is settled once, and every batch completed once",
    async run(subject) {
      const sent = Array.from({ length: 40 }, (_, round) =>
        subject.batch((probe) =>
          Promise.all([
            probe.get("a"),
            probe.contains(`b${round}`),
            probe.delete(`d${round - 1}`),
            probe.put("a", `${round}`),
            probe.put(`d${round}`, "x"),
            probe.increment("n", 1n),
            probe.setIfNotExists("once", "1"),
          ]),
        ),
      );
      const results = await Promise.all(sent);
      assert.equal(results.filter((result) => result[6]).length, 1);
      assert.deepEqual(
        results.map((result) => result[5]),
        Array.from({ length: 40 }, (_, round) => BigInt(round + 1)),
      );
    },
  },
];

async function compareWithMap(subject: Subject): Promise<void> {
  const model = new Map<string, string>();
  const next = seededRandom(0x5eed);
  const outcomes: Promise<void>[] = [];
  for (let round = 0; round < BATCHES; round++) {
    outcomes.push(subject.batch((probe) => randomBatch(probe, model, next)));
    if (next(10) === 0) await Promise.all(outcomes.splice(0));
  }
  await Promise.all(outcomes);
  const left = await subject.batch((probe) =>
    Promise.all(Array.from({ length: KEYS }, (_, index) => probe.get(`k${index}`))),
  );
  assert.deepEqual(
    left.map((value) => value?.toString()),
    Array.from({ length: KEYS }, (_, index) => model.get(`k${index}`)),
  );
}

/** Fills a batch by its rules, applies it to the model, and resolves when the driver has answered as the model does. */
async function randomBatch(probe: BatchProbe, model: Map<string, string>, next: Random): Promise<void> {
  const written = new Set<string>();
  const asked = new Set<string>();
  const answers: Promise<unknown>[] = [];
  const expected: unknown[] = [];
  const writes: (() => void)[] = [];
  const expectAnswer = (answer: Promise<unknown>, value: unknown): void => {
    answers.push(answer.then((given) => (Buffer.isBuffer(given) ? given.toString() : given)));
    expected.push(value);
  };
  for (let i = 0; i < OPERATIONS; i++) {
    const key = `k${next(KEYS)}`;
    const value = `${next(1000)}`;
    const old = model.get(key);
    const kind = next(9);
    if (kind < 2) {
      if (asked.has(key)) continue;
      asked.add(key);
      if (kind === 0) expectAnswer(probe.get(key), old ?? null);
      else expectAnswer(probe.contains(key), old !== undefined);
      continue;
    }
    // The conditional operations share their key with no other request of the batch.
    if (written.has(key) || (kind > 3 && asked.has(key))) continue;
    written.add(key);
    asked.add(key);
    const set = (to: string | undefined): void =>
      void writes.push(() => (to === undefined ? model.delete(key) : model.set(key, to)));
    switch (kind) {
      case 2:
        expectAnswer(probe.put(key, value), undefined);
        set(value);
        break;
      case 3:
        expectAnswer(probe.delete(key), old !== undefined);
        set(undefined);
        if (next(2) === 0) {
          expectAnswer(probe.put(key, value), undefined);
          set(value);
        }
        break;
      case 4:
        expectAnswer(probe.setIfNotExists(key, value), old === undefined);
        if (old === undefined) set(value);
        break;
      case 5:
        expectAnswer(probe.getAndDelete(key), old ?? null);
        set(undefined);
        break;
      case 6:
      case 7: {
        const wanted = kind === 6 ? (old ?? null) : value;
        const to = next(3) === 0 ? null : `${next(1000)}`;
        expectAnswer(probe.compareAndSwap(key, wanted, to), wanted === (old ?? null));
        if (wanted === (old ?? null)) set(to ?? undefined);
        break;
      }
      default:
        expectAnswer(probe.increment(key, 5n), BigInt(old ?? "0") + 5n);
        set(`${BigInt(old ?? "0") + 5n}`);
    }
  }
  for (const write of writes) write();
  assert.deepEqual(await Promise.all(answers), expected);
}

type Random = (below: number) => number;

/** The same program in every run: a multiplicative congruential generator with the constants of Lehmer and Park-Miller. */
function seededRandom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % below;
  };
}
