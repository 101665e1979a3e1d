import assert from "node:assert/strict";
import { test } from "node:test";
import { openBackend } from "../../../src/backends/open-backend.js";
import { parseEngineOptions } from "../../../src/engine/options.js";
import { createEngine, readEngineOptions, UnsupportedOperationError } from "../../../src/index.js";
import { readDocument, tableRows } from "./document.js";

const README = readDocument("README.md");

test("the README lists the operations that an engine has", async () => {
  const engine = await createEngine("memory:");
  await engine.close();
  const members = Object.getOwnPropertyNames(Object.getPrototypeOf(engine)).filter((name) => name !== "constructor");
  const sentence = /All operations: (.*?)\. Their/s.exec(README)![1]!;
  const listed = [...sentence.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
  assert.deepEqual(listed.sort(), members.sort());
});

test("the README says how long keys may be on each store", async () => {
  const rows = tableRows(README.slice(README.indexOf("## Stores"), README.indexOf("## Options")));
  assert.ok(rows.length >= 4);
  for (const [urls, , , longest] of rows) {
    const [scheme] = /\w+:/.exec(urls!)!;
    const url = { "memory:": "memory:", "lmdb:": "lmdb:./none" }[scheme] ?? `${scheme}//127.0.0.1:1/1`;
    const { backend, ...settings } = parseEngineOptions(url);
    assert.ok(backend.kind !== "driver");
    const { maxKeyBytes } = (await openBackend(backend, settings)).capabilities;
    const expected = maxKeyBytes > 4096 ? "4096 bytes behind the prefix" : `${maxKeyBytes} bytes with the prefix`;
    assert.equal(longest, expected, scheme);
  }
});

test("the README names what reads variables and files, which createEngine does not", async (t) => {
  process.env.MILLRACE_BATCHING_MAX_SIZE = "none";
  t.after(() => {
    delete process.env.MILLRACE_BATCHING_MAX_SIZE;
  });
  const engine = await createEngine("memory:");
  await engine.close();
  assert.throws(() => readEngineOptions({ environment: process.env }), { code: "CONFIG" });
  const options = README.slice(README.indexOf("## Options"), README.indexOf("## Errors"));
  for (const name of ["createEngine", "readEngineOptions", "MILLRACE_"]) assert.ok(options.includes(name), name);
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
