import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createEngine } from "../../../src/index.js";
import { type TestScope, temporaryFolder } from "../../support/lmdb-scope.js";
import { until } from "../../support/until.js";

const script = fileURLToPath(new URL("fixtures/backs-up.js", import.meta.url));

/** Kills a process while it copies the store; resolves to the directory with what it left. */
async function killedBackup(t: TestScope, store: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const copy = `${store}-copy-${attempt}`;
    const child = spawn(process.execPath, [script, store, copy], { stdio: "inherit" });
    t.after(() => void child.kill("SIGKILL"));
    const ended = once(child, "close");
    await until("it writes", () => child.exitCode !== null || (existsSync(copy) && readdirSync(copy).length > 0));
    child.kill("SIGKILL");
    await ended;
    if (!existsSync(join(copy, "data.mdb"))) return copy;
    assert.ok(attempt < 20, "each backup was whole before it could be killed");
  }
}

test("into a directory where a backup was killed the next one is made, and nothing of the other left", async (t) => {
  const path = await temporaryFolder(t);
  const store = join(path, "live");
  const engine = await createEngine({ backend: `lmdb:${store}`, compression: { codec: "none" } });
  t.after(() => engine.close());
  await Promise.all(Array.from({ length: 8000 }, (_, i) => engine.put(`key ${i}`, Buffer.alloc(4000, i))));
  const copy = await killedBackup(t, store);
  assert.equal(readdirSync(copy).length, 1);
  await engine.backup(copy);
  assert.deepEqual(readdirSync(copy), ["data.mdb"]);
  const opened = await createEngine(`lmdb:${copy}`);
  t.after(() => opened.close());
  assert.equal(await opened.count(), 8000);
  await assert.rejects(engine.backup(copy), { reason: "ERR_BACKUP", message: /not empty: data\.mdb/ });
});

test("what lies beside an unfinished copy is not touched, nor is the copy", async (t) => {
  const path = await temporaryFolder(t);
  const engine = await createEngine(`lmdb:${join(path, "live")}`);
  t.after(() => engine.close());
  const taken = join(path, "taken");
  await mkdir(join(taken, ".unfinished"), { recursive: true });
  await writeFile(join(taken, "file"), "precious");
  await assert.rejects(engine.backup(taken), { reason: "ERR_BACKUP", message: /not empty: file/ });
  assert.deepEqual(readdirSync(taken).sort(), [".unfinished", "file"]);
});
