import assert from "node:assert/strict";
import fc from "fast-check";
import type { Engine } from "../../src/index.js";
import { type Call, type Ending, EngineModel, issue, type View } from "../support/engine-model.js";

/** What the caller does after a call: go on at once, wait for it, for a turn of the event loop, or for everything. */
type Pause = "none" | "call" | "turn" | "flush" | "all";

interface Line {
  readonly call: Call;
  readonly inNamespace: boolean;
  readonly keyAsBytes: boolean;
  readonly pause: Pause;
}

export type Program = readonly Line[];

const NAMESPACE = "n:";
const LONG = `${"compress me ".repeat(150)}!`;
const VALUES = ["5", "-3", "word", "", "ünïcode", LONG, "1", "2"];

const value = fc.constantFrom(...VALUES);
const ttlMs = fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, fc.constantFrom(60_000, 90_000));

function callOn(keys: readonly string[]): fc.Arbitrary<Call> {
  const key = fc.constantFrom(...keys);
  const someKeys = fc.array(key, { minLength: 0, maxLength: 6 });
  const step = fc.oneof(
    fc.record({ type: fc.constant("put" as const), key, value }),
    fc.record({ type: fc.constant("delete" as const), key }),
    fc.record({ type: fc.constant("expire" as const), key, ttlMs: fc.constantFrom(null, 70_000) }),
  );
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ op: fc.constant("get" as const), key }) },
    { weight: 8, arbitrary: fc.record({ op: fc.constant("put" as const), key, value, ttlMs }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant("delete" as const), key }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant("contains" as const), key }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant("increment" as const), key, by: fc.constantFrom(1, -1, 10) }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("ttl" as const), key }) },
    {
      weight: 2,
      arbitrary: fc.record({ op: fc.constant("expire" as const), key, ttlMs: fc.constantFrom(null, 80_000) }),
    },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("getAndDelete" as const), key }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("setIfNotExists" as const), key, value, ttlMs }) },
    {
      weight: 4,
      arbitrary: fc.record({
        op: fc.constant("compareAndSwap" as const),
        key,
        expected: fc.oneof(fc.constant(null), value),
        next: fc.oneof(fc.constant(null), value),
        ttlMs,
      }),
    },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("batchGet" as const), keys: someKeys }) },
    {
      weight: 2,
      arbitrary: fc.record({ op: fc.constant("batchDelete" as const), keys: fc.uniqueArray(key, { maxLength: 3 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        op: fc.constant("batchPut" as const),
        entries: fc.array(fc.tuple(key, value), { minLength: 0, maxLength: 6 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ op: fc.constant("transaction" as const), steps: fc.array(step, { maxLength: 4 }) }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("clear" as const) }) },
  ) as fc.Arbitrary<Call>;
}

const pause: fc.Arbitrary<Pause> = fc.oneof(
  { weight: 12, arbitrary: fc.constant("none" as const) },
  { weight: 2, arbitrary: fc.constantFrom("call" as const, "turn" as const) },
  { weight: 1, arbitrary: fc.constantFrom("flush" as const, "all" as const) },
);

const line: fc.Arbitrary<Line> = fc.oneof(
  fc.record({
    call: callOn(["a", "b", `${NAMESPACE}a`]),
    inNamespace: fc.constant(false),
    keyAsBytes: fc.boolean(),
    pause,
  }),
  fc.record({
    call: callOn([`${NAMESPACE}a`, `${NAMESPACE}b`]),
    inNamespace: fc.constant(true),
    keyAsBytes: fc.boolean(),
    pause,
  }),
);

export const program: fc.Arbitrary<Program> = fc.array(line, { minLength: 1, maxLength: 40, size: "max" });

/** Runs a program on an engine that holds nothing yet and has every answer explained, in the order of the calls. */
export async function runProgram(engine: Engine, lines: Program): Promise<void> {
  const root: View = { engine, prefix: "" };
  const namespaced: View = { engine: engine.namespace(NAMESPACE), prefix: NAMESPACE };
  const endings: Promise<Ending>[] = [];
  let settledCalls = 0;
  const countSettled = (): void => {
    settledCalls++;
  };
  for (const { call, inNamespace, keyAsBytes, pause: after } of lines) {
    const ending = issue(inNamespace ? namespaced : root, call, keyAsBytes);
    endings.push(ending);
    void ending.then(countSettled);
    if (after === "call") await ending;
    else if (after === "turn") await new Promise((resolve) => setImmediate(resolve));
    else if (after === "flush") {
      await engine.flush();
      // Callers learn of their results a few microtasks after the engine gave them.
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(settledCalls, endings.length, "a flush ended before a call that was made before it");
    } else if (after === "all") await Promise.all(endings);
  }
  const model = new EngineModel();
  const settled = await Promise.all(endings);
  for (const [index, { call, inNamespace }] of lines.entries()) {
    model.explain(call, settled[index]!, inNamespace ? NAMESPACE : "");
  }
}
