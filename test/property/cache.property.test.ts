import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Redis } from "ioredis";
import { createEngine, type Engine } from "../../src/index.js";
import { ServerHistory } from "../support/server-history.js";
import { onRedis } from "../support/stores.js";

const SEED = 20_261_122;
const RUNS = 120;
const KEYS = ["a", "b"];
const ENGINES = 2;
/** A client without any cache, beside the engines. */
const OUTSIDER = ENGINES;

interface Step {
  readonly who: number;
  readonly key: string;
  readonly what: "get" | "batchGet" | "put" | "putExpiring" | "delete" | "transaction";
  /** What happens before the next step; `barrier`: everything is over and everybody has heard of it. */
  readonly then: "go on" | "turn" | "wait" | "barrier";
}

const step: fc.Arbitrary<Step> = fc.record({
  who: fc.nat(OUTSIDER),
  key: fc.constantFrom(...KEYS),
  what: fc.oneof(
    { weight: 10, arbitrary: fc.constant("get" as const) },
    { weight: 2, arbitrary: fc.constant("batchGet" as const) },
    { weight: 4, arbitrary: fc.constant("put" as const) },
    { weight: 2, arbitrary: fc.constantFrom("putExpiring" as const, "delete" as const, "transaction" as const) },
  ),
  // biome-ignore lint/suspicious/noThenProperty: it is a word here, and no function.
  then: fc.oneof(
    { weight: 5, arbitrary: fc.constant("go on" as const) },
    { weight: 5, arbitrary: fc.constant("wait" as const) },
    { weight: 2, arbitrary: fc.constant("turn" as const) },
    { weight: 1, arbitrary: fc.constant("barrier" as const) },
  ),
});

/** One read, and what it has to have seen. */
interface Read {
  readonly who: number;
  readonly key: string;
  /** This engine's writes of the key called before it, the latest last. */
  readonly own: readonly (string | null)[];
  /** States of the key at the last barrier before it. */
  readonly known: number;
  /** The one before it on this engine and key had been answered when it was called. */
  readonly afterPrevious: boolean;
  readonly value: string | null;
}

/** Holds the reads of one engine and key, in the order of the calls, against what the server did. */
function explain(reads: readonly Read[], states: readonly (string | null)[]): void {
  let seen = -1;
  for (const read of reads) {
    const { own, known, value } = read;
    const told = `${JSON.stringify(read)} in ${JSON.stringify(states)}`;
    const ownLatest = own.findLastIndex((written) => written !== null && states.includes(written));
    const atLeast = Math.max(
      known - 1,
      ownLatest < 0 ? -1 : states.indexOf(own[ownLatest]!),
      read.afterPrevious ? seen : -1,
    );
    // A write that a later one superseded before it was sent is seen by reads between the two, and never by the server.
    if (own.at(-1) === value && !(value !== null && states.includes(value))) continue;
    const at = value === null && atLeast === -1 ? -1 : states.findIndex((state, i) => i >= atLeast && state === value);
    assert.ok(at >= 0 || (value === null && atLeast === -1), `older than it may be: ${told}`);
    seen = at;
  }
}

await onRedis("caches of two engines", (store, server) => {
  test(`${store.name}: no cache answers with what is older than its engine's writes, or than what it has heard of`, async (t) => {
    const { keyPrefix } = await store.place(t);
    const history = await ServerHistory.open(server.url, /v\d+-\d+;/);
    t.after(() => history.close());
    const client = new Redis(server.url);
    client.on("error", () => {});
    t.after(() => client.disconnect());
    const engines: Engine[] = [];
    // One that keeps all it reads, one that is full: it keeps what is read again, so its batches hold both kinds of reads.
    const kinds = [
      { batching: {}, maxBytes: 64 * 1024 },
      { batching: { maxSize: 2, maxInFlight: 3 }, maxBytes: 1280 },
    ];
    for (const { batching, maxBytes } of kinds) {
      const cache = { maxBytes, ttlMs: 3_600_000 };
      const engine = await createEngine({
        backend: server.url,
        keyPrefix,
        cache,
        batching,
        compression: { codec: "none" },
      });
      t.after(() => engine.close());
      engines.push(engine);
    }
    let programs = 0;
    const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: "max" }), async (steps) => {
      const prefix = `program ${++programs}:`;
      const stored = (key: string): string => `${keyPrefix}${prefix}${key}`;
      const views = engines.map((engine) => engine.namespace(prefix));
      const written = new Map<string, (string | null)[]>();
      const previous = new Map<string, Promise<unknown> | "over">();
      const reads: Promise<Read>[] = [];
      const pending: Promise<unknown>[] = [];
      const known = new Map(KEYS.map((key) => [key, 0]));
      let count = 0;
      for (const { who, key, what, then } of steps) {
        const place = `${who} ${key}`;
        const own = written.get(place) ?? [];
        written.set(place, own);
        let work: Promise<unknown> = Promise.resolve();
        if (what === "get" || what === "batchGet") {
          if (who !== OUTSIDER) {
            const call = what === "get" ? views[who]!.get(key) : views[who]!.batchGet([key]).then(([value]) => value!);
            const facts = {
              who,
              key,
              own: [...own],
              known: known.get(key)!,
              afterPrevious: previous.get(place) === "over",
            };
            work = call.then((value) => {
              if (previous.get(place) === work) previous.set(place, "over");
              return value;
            });
            previous.set(place, work);
            reads.push(
              (work as Promise<Buffer | null>).then((value) => ({ ...facts, value: value?.toString() ?? null })),
            );
          }
        } else {
          const value = what === "delete" ? null : `v${who}-${++count};`;
          own.push(value);
          if (who === OUTSIDER) work = value === null ? client.del(stored(key)) : client.set(stored(key), value);
          else if (value === null) work = views[who]!.delete(key);
          else if (what === "transaction") work = views[who]!.transaction([{ type: "put", key, value }]);
          else work = views[who]!.put(key, value, what === "put" ? {} : { ttlMs: 3_600_000 });
        }
        pending.push(work);
        if (then === "wait") await work;
        else if (then === "turn") await new Promise((resolve) => setImmediate(resolve));
        else if (then === "barrier") {
          await Promise.all(pending);
          // What is asked now is answered after all that the server had to tell before.
          await Promise.all(views.map((view) => view.ttl("nothing")));
          await history.caughtUp();
          for (const name of KEYS) known.set(name, history.statesOf(stored(name)).length);
        }
      }
      const settled = await Promise.all(reads);
      await Promise.all(pending);
      await history.caughtUp();
      for (const key of KEYS) {
        for (let who = 0; who < ENGINES; who++) {
          explain(
            settled.filter((read) => read.who === who && read.key === key),
            history.statesOf(stored(key)),
          );
        }
      }
    });
    await fc.assert(property, {
      seed: SEED,
      numRuns: RUNS,
      interruptAfterTimeLimit: 480_000,
      markInterruptAsFailure: true,
    });
    for (const engine of engines) {
      const { hits, invalidations } = engine.stats().cache!;
      assert.ok(hits > 100 && invalidations > 50, "the caches had nothing to do");
    }
  });
});
