import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "../../../src/index.js";

type Untyped = (...values: unknown[]) => ReturnType<typeof createEngine>;

test("options behind a URL are refused, and not lost", async () => {
  const untyped = createEngine as Untyped;
  await assert.rejects(untyped("memory:", { maxValueBytes: 10 }), {
    code: "CONFIG",
    reason: "ERR_CONFIG",
    message: /one argument.*backend: url/,
  });
});

test("a list of URLs can be mapped to engines", async () => {
  const engines = await Promise.all(["memory:", "memory:"].map(createEngine as Untyped));
  await Promise.all(engines.map((engine) => engine.close()));
});
