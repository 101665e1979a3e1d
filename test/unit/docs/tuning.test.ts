import assert from "node:assert/strict";
import { test } from "node:test";
import { describeEngineOptions } from "../../../src/engine/options.js";
import { readDocument, section } from "./document.js";
import { optionsTable } from "./options-table.js";

const TUNING = readDocument("docs/tuning.md");

test("docs/tuning.md lists the options as the engine has them (node dist/test/unit/docs/write-options-table.js)", () => {
  assert.equal(section(TUNING, "options"), optionsTable());
});

test("defaults named in prose are those of the options", () => {
  const fallbacks = new Map(describeEngineOptions().map((row) => [row.path, row.default]));
  const prose = TUNING.replace(section(TUNING, "options"), "");
  const named = [...prose.matchAll(/`([a-zA-Z.]+)` \(default\s`([^`]+)`\)/g)];
  assert.ok(named.length >= 8, "tuning.md names defaults in the form that is checked here");
  for (const [, path, value] of named) assert.equal(value, fallbacks.get(path!), `default of ${path}`);
});
