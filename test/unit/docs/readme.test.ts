import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, UnsupportedOperationError } from "../../../src/index.js";
import { readDocument } from "./document.js";

const README = readDocument("README.md");

test("the README lists the operations that an engine has", async () => {
  const engine = await createEngine("memory:");
  await engine.close();
  const members = Object.getOwnPropertyNames(Object.getPrototypeOf(engine)).filter((name) => name !== "constructor");
  const sentence = /All operations: (.*?)\. Their/s.exec(README)![1]!;
  const listed = [...sentence.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  assert.deepEqual(listed.sort(), members.sort());
});

test("stores that the README leaves to later releases are refused as it says", async () => {
  for (const url of ["redis+sentinel://127.0.0.1:26379/mymaster", "redis+cluster://127.0.0.1:7000"]) {
    await assert.rejects(
      createEngine(url),
      (error) => error instanceof UnsupportedOperationError && error.reason === "ERR_BACKEND_UNAVAILABLE",
      url,
    );
  }
});
