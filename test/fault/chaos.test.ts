import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { runControl } from "../../bench/chaos/control-run.js";
import { FAULT_KINDS, REPLICA_FAULT_KINDS } from "../../bench/chaos/fault-kinds.js";
import { type ChaosPlan, type ChaosResult, runChaos } from "../../bench/chaos/run-chaos.js";
import { ConnectionError } from "../../src/index.js";
import { findRedisServer } from "../../src/testing/index.js";
import { redisIsThere } from "../support/stores.js";
import { repeatingIncrements, tampered } from "../support/tampered-engine.js";

/** Every kind of fault this often. */
const ROUNDS_OF_ALL_KINDS = 18;
const MINUTES = 5;
const MAX_RECOVERY_MS = 2000;

const NO_VIOLATIONS = {
  duplicate: 0,
  "lost-ack": 0,
  "stale-overwrite": 0,
  "wrong-not-applied": 0,
  "torn-transaction": 0,
  "wrong-lifetime": 0,
  "wrong-read": 0,
  unsettled: 0,
  late: 0,
};

function kinds(...names: string[]): ChaosPlan["kinds"] {
  return FAULT_KINDS.filter(({ name }) => names.includes(name));
}

async function run(t: TestContext, plan: Partial<ChaosPlan>): Promise<ChaosResult> {
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const result = await runChaos({ seed, operations: 1, faults: 6, minutes: MINUTES, kinds: FAULT_KINDS, ...plan });
  if (plan.tamper !== undefined) return result;
  for (const { violation, faults } of result.examples) {
    for (const line of [violation.kind, violation.detail, ...faults, ...violation.history]) t.diagnostic(line);
  }
  return result;
}

if ((await findRedisServer()) !== null && (await redisIsThere("chaos"))) {
  test("keeps every promise through every fault that one machine can inject", async (t) => {
    const result = await run(t, { faults: ROUNDS_OF_ALL_KINDS * FAULT_KINDS.length });
    assert.deepEqual(result.violations, NO_VIOLATIONS);
    assert.deepEqual(result.escaped, []);
    for (const [name, { injected, recoveriesMs }] of Object.entries(result.byKind)) {
      assert.ok(injected > 0, `${name} never struck`);
      // The middle one: a machine that stands still for seconds spoils one or two.
      const middleMs = recoveriesMs.toSorted((a, b) => a - b)[recoveriesMs.length >> 1]!;
      assert.ok(middleMs < MAX_RECOVERY_MS, `${name}: recovered after ${middleMs} ms`);
    }
  });

  test("keeps every promise over several connections", async (t) => {
    const pool = { min: 1, max: 4, idleMs: 200 };
    const result = await run(t, { faults: FAULT_KINDS.length * 2, pool });
    assert.deepEqual(result.violations, NO_VIOLATIONS);
    assert.deepEqual(result.escaped, []);
  });

  test("keeps every promise with reads from replicas", async (t) => {
    const ofServer = kinds("cut-storm", "swallow", "kill-9", "freeze", "read-only");
    const result = await run(t, {
      ...{ kinds: [...REPLICA_FAULT_KINDS, ...ofServer], replicas: 2 },
      faults: 3 * (REPLICA_FAULT_KINDS.length + ofServer.length),
    });
    assert.deepEqual(result.violations, NO_VIOLATIONS);
    assert.deepEqual(result.escaped, []);
    assert.ok(result.replicaReads > 0);
  });

  test("would find increments that are sent again although their outcome is unknown", async (t) => {
    const result = await run(t, {
      kinds: kinds("cut-storm", "lost-ack"),
      tamper: repeatingIncrements,
    });
    assert.ok(result.violations.duplicate! > 0, JSON.stringify(result.violations));
  });

  test("would find lost connections whose writes are reported not applied", async (t) => {
    const result = await run(t, {
      kinds: kinds("cut-storm", "lost-ack"),
      tamper: (engine) =>
        tampered(engine, {
          put: (key, value, options) =>
            engine.put(key, value, options).catch((error: unknown) => {
              if (!(error instanceof ConnectionError)) throw error;
              throw error.concerning({ outcome: "not-applied" });
            }),
        }),
    });
    assert.ok(result.violations["wrong-not-applied"]! > 0, JSON.stringify(result.violations));
  });

  test("would find transactions of which only a part is carried out", async (t) => {
    let calls = 0;
    const result = await run(t, {
      kinds: kinds("lost-ack"),
      tamper: (engine) =>
        tampered(engine, {
          transaction: async (mutations) => {
            const steps = [...mutations];
            if (++calls % 20 > 0) return engine.transaction(steps);
            await engine.transaction(steps.slice(0, 1));
            throw new ConnectionError("the connection was lost", { outcome: "unknown" });
          },
        }),
    });
    assert.ok(result.violations["torn-transaction"]! > 0, JSON.stringify(result.violations));
  });

  test("would find lifetimes that are given to nobody", async (t) => {
    const result = await run(t, {
      kinds: kinds("script-flush"),
      tamper: (engine) =>
        tampered(engine, {
          put: (key, value, options) => engine.put(key, value, { ...options, ttlMs: null }),
        }),
    });
    assert.ok(result.violations["wrong-lifetime"]! > 0, JSON.stringify(result.violations));
  });

  test("applies no increment twice in the storm in which a client with its defaults does", async () => {
    const [theirs, ours] = await runControl(2000);
    assert.ok(theirs!.duplicated > 0, "the storm finds nothing");
    assert.equal(ours!.duplicated, 0);
    assert.equal(ours!.lost, 0);
  });
}
