import assert from "node:assert/strict";
import { test } from "node:test";
import { adminOptionFields } from "../../../src/admin/admin-options.js";
import { describe } from "../../../src/config/describe.js";
import { variableOf } from "../../../src/config/environment.js";
import { describeEngineOptions } from "../../../src/engine/options.js";
import { createAdminServer, createEngine } from "../../../src/index.js";
import { readDocument } from "./document.js";

const ADMIN_SERVER = readDocument("docs/admin-server.md");
const COMMAND_LINE = readDocument("docs/command-line.md");

/** The first cells of the table below a heading. */
function firstCells(document: string, heading: string): string[] {
  const [, section = ""] = document.split(`\n## ${heading}\n`);
  const [body = ""] = section.split("\n## ");
  return [...body.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name!);
}

test("the document lists the admin server's options with their defaults", () => {
  const rows = describe(adminOptionFields);
  assert.deepEqual(
    firstCells(ADMIN_SERVER, "Options"),
    rows.map(({ path }) => path),
  );
  for (const { path, default: fallback } of rows) {
    const shown = path === "token" ? "none" : `\`${fallback.replaceAll("'", "")}\``;
    assert.ok(ADMIN_SERVER.includes(`| \`${path}\` | ${shown} |`), path);
  }
});

test("every path that the document lists is there, and no other is", async () => {
  const engine = await createEngine("memory:");
  const admin = await createAdminServer(engine);
  const listed = firstCells(ADMIN_SERVER, "Paths");
  for (const path of listed) {
    const response = await fetch(admin.url + path);
    assert.equal(response.status, 200, path);
    await response.body?.cancel();
  }
  const unknown = await (await fetch(`${admin.url}/nowhere`)).text();
  const known = unknown.split("there is ").at(-1)!.trim().split(" ");
  assert.deepEqual([...known, "/events"].sort(), listed.sort());
  await admin.close();
  await engine.close();
});

test("the document lists every alert with its severity", () => {
  const rules = readDocument("deploy/monitoring/rules/millrace.rules.yml");
  const alerts = [...rules.matchAll(/- alert: (\w+).*?severity: (\w+)/gs)].map(
    ([, name, severity]) => `${name} ${severity}`,
  );
  const listed = [...ADMIN_SERVER.matchAll(/^\| `(Millrace\w+)` \| (\w+) \|/gm)].map(
    ([, name, severity]) => `${name} ${severity}`,
  );
  assert.deepEqual(listed.sort(), alerts.sort());
});

test("every variable that the document names is one", () => {
  const options = describeEngineOptions().map(({ path }) => variableOf("MILLRACE_", path));
  const admin = describe(adminOptionFields).map(({ path }) => variableOf("MILLRACE_ADMIN_", path));
  const others = ["MILLRACE_CONFIG", "MILLRACE_URL"];
  const known = new Set([...options, ...admin, ...others]);
  const named = [...COMMAND_LINE.matchAll(/\bMILLRACE_[A-Z_]+[A-Z]/g)].map(([name]) => name);
  assert.ok(named.length > 6);
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  );
});
