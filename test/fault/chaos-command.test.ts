import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../../src/testing/index.js";
import { redisIsThere } from "../support/stores.js";

const MAIN = fileURLToPath(new URL("../../bench/chaos/main.js", import.meta.url));

function command(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

test("the command refuses what it does not know with exit code 2, and says what there is", async () => {
  for (const args of [
    ["--only", "sunspots"],
    ["--ops", "many"],
    ["--minutes", "0"],
    ["--fault", "1"],
  ]) {
    const { code, stderr } = await command(...args);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, /cut-storm/);
  }
});

if (await redisIsThere("the chaos command")) {
  test("the command prints a table, writes the result and the figures of a document, and shows no progress in a pipe", async (t) => {
    const folder = await temporaryFolder();
    t.after(() => folder.remove());
    const json = join(folder.path, "result.json");
    const docs = join(folder.path, "document.md");
    await writeFile(docs, "before\n<!-- chaos:begin -->\nold\n<!-- chaos:end -->\nafter\n");
    const faults = ["--only", "script-flush,lost-ack", "--faults", "2", "--ops", "1", "--seed", "5", "--no-control"];
    const { code, stdout, stderr } = await command(...faults, "--json", json, "--docs", docs);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /script-flush +[1-9]/);
    assert.match(stdout, /operations applied twice +0\n/);
    assert.equal(stderr, "seed 5\n");
    const result = JSON.parse(await readFile(json, "utf8"));
    assert.equal(result.schema, 1);
    assert.equal(result.seed, 5);
    assert.ok(result.operations > 0 && result.faults >= 2);
    const written = await readFile(docs, "utf8");
    assert.match(
      written,
      /^before\n<!-- chaos:begin -->\nSeed 5, [\s\S]*\| faults \| \d+ \|[\s\S]*<!-- chaos:end -->\nafter\n$/,
    );
    assert.doesNotMatch(written, /^old$/m);
  });
}
