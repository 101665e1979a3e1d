import assert from "node:assert/strict";
import { StateError } from "../../src/index.js";
import type { TestScope } from "./stores.js";
import { until } from "./until.js";

export type Settled<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: StateError };

/** How a call ended; an error that is not a StateError is thrown on. */
export function settled<T>(call: Promise<T>): Promise<Settled<T>> {
  return call.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => {
      assert.ok(error instanceof StateError, `not a StateError: ${error}`);
      return { ok: false, error };
    },
  );
}

/** The result of a call that is made until it succeeds, for calls whose deadlines a machine that stalls can exceed. */
export async function eventually<T>(call: () => Promise<T>): Promise<T> {
  let last: Settled<T> | undefined;
  await until("a call succeeds", async () => {
    last = await settled(call());
    return last.ok;
  });
  assert.ok(last?.ok);
  return last.value;
}

/** The error of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<StateError> {
  const ending = await settled(call);
  assert.ok(!ending.ok, "the call should have failed");
  return ending.error;
}

/** Fails the test at its end if an error escaped from every promise and emitter while it ran. */
export function nothingEscapes(t: TestScope): void {
  const escaped: unknown[] = [];
  const note = (error: unknown): void => {
    escaped.push(error);
  };
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  t.after(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    process.off("uncaughtException", note);
    assert.deepEqual(escaped, []);
  });
}
