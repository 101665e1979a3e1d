import { CircuitOpenError, type Engine } from "../../src/index.js";
import type { LedgerEngine } from "../../src/testing/index.js";

/** The engine with some of its operations replaced, for checks that must notice. */
export function tampered(engine: Engine, change: Partial<LedgerEngine>): LedgerEngine {
  const operations = ["get", "contains", "put", "delete", "setIfNotExists"] as const;
  const more = ["getAndDelete", "compareAndSwap", "increment", "ttl", "expire"] as const;
  const many = ["batchGet", "batchPut", "batchDelete", "transaction", "clear"] as const;
  const bound = Object.fromEntries([...operations, ...more, ...many].map((name) => [name, engine[name].bind(engine)]));
  return { ...(bound as unknown as LedgerEngine), ...change };
}

/** Sends increments again whose outcome is unknown. */
export function repeatingIncrements(engine: Engine): LedgerEngine {
  return tampered(engine, {
    increment: (key, by, options) =>
      engine.increment(key, by, options).catch((error: unknown) => {
        if (error instanceof CircuitOpenError) throw error;
        return engine.increment(key, by, options);
      }),
  });
}
