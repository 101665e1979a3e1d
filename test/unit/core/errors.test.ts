import assert from "node:assert/strict";
import { test } from "node:test";
import { BackendError, ConfigError, StateError } from "../../../src/index.js";

test("StateError.is knows the errors of this copy of the package and of another one, and no others", async () => {
  const another = new URL("../../../src/core/errors.js?another-copy", import.meta.url);
  const copy = (await import(another.href)) as { ConfigError: typeof ConfigError };
  const foreign = new copy.ConfigError("of another copy");
  assert.ok(!(foreign instanceof StateError));
  for (const error of [foreign, new ConfigError("a"), new BackendError("b")]) assert.ok(StateError.is(error));
  for (const other of [new Error("c"), { code: "CONFIG" }, null, undefined, "CONFIG"]) assert.ok(!StateError.is(other));
});

test("what marks an error does not show in logs", () => {
  assert.deepEqual(Object.getOwnPropertySymbols(new ConfigError("a")), []);
});
