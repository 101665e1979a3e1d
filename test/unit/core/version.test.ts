import assert from "node:assert/strict";
import { test } from "node:test";
import { VERSION } from "../../../src/core/version.js";
import { readDocument } from "../docs/document.js";

test("the version in the code is that of the package", () => {
  assert.equal(VERSION, (JSON.parse(readDocument("package.json")) as { version: string }).version);
});
