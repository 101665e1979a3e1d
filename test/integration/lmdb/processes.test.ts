import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { createEngine } from "../../../src/index.js";
import { inOneBatch } from "../../support/batch-probe.js";
import { openLmdb, temporaryFolder } from "../../support/lmdb-scope.js";

function startFixture(name: string, ...parameters: string[]): ChildProcess {
  const script = fileURLToPath(new URL(`fixtures/${name}.js`, import.meta.url));
  return spawn(process.execPath, [script, ...parameters], { stdio: ["ignore", "pipe", "inherit"] });
}

test("every write acknowledged before a kill -9 is there afterwards", async (t) => {
  const path = await temporaryFolder(t);
  for (let round = 0; round < 3; round++) {
    const child = startFixture("ledger-writer", path);
    t.after(() => {
      child.kill("SIGKILL");
    });
    const wanted = 400 * (round + 1);
    let acknowledged = 0;
    let output = "";
    child.stdout?.setEncoding("utf8");
    child.stdout?.on("data", (text: string) => {
      output += text;
      const lines = output.split("\n").slice(0, -1);
      acknowledged = Number(lines[lines.length - 1] ?? 0);
      if (acknowledged >= wanted) child.kill("SIGKILL");
    });
    // "close": everything the process said before its end has been read.
    await once(child, "close");
    assert.ok(acknowledged >= wanted);
    const { driver } = await openLmdb(t, path);
    for (let first = 0; first < acknowledged; first += 100) {
      const length = Math.min(100, acknowledged - first);
      const values = await inOneBatch(driver, (probe) =>
        Promise.all(Array.from({ length }, (_, i) => probe.get(`key ${first + i}`))),
      );
      values.forEach((value, i) => {
        assert.equal(value?.toString(), `value ${first + i}`);
      });
    }
    await driver.close();
  }
});

test("compare-and-swap and increment lose nothing between two processes", async (t) => {
  const path = await temporaryFolder(t);
  const rounds = 300;
  const children = [1, 2].map(() => startFixture("swapping-counter", path, String(rounds)));
  for (const child of children) t.after(() => void child.kill("SIGKILL"));
  for (const [code] of await Promise.all(children.map((child) => once(child, "close")))) assert.equal(code, 0);
  const { driver } = await openLmdb(t, path);
  const [swapped, counted] = await inOneBatch(driver, (probe) =>
    Promise.all([probe.get("swapped"), probe.get("counted")]),
  );
  assert.equal(swapped?.toString(), String(2 * rounds));
  assert.equal(counted?.toString(), String(2 * rounds));
});

test("worker threads and processes on one environment lose nothing of each other's", async (t) => {
  const path = await temporaryFolder(t);
  const rounds = 100;
  const engine = await createEngine(`lmdb:${path}`);
  t.after(() => engine.close());
  await engine.put("settled", "1");
  const script = new URL("fixtures/counting-thread.js", import.meta.url);
  const threads = ["thread 1", "thread 2", "thread 3"].map(
    (name) => new Worker(script, { workerData: [path, name, String(rounds)] }),
  );
  const children = ["process 1", "process 2"].map((name) =>
    startFixture("counting-thread", path, name, String(rounds)),
  );
  for (const child of children) t.after(() => void child.kill("SIGKILL"));
  const ends = await Promise.all([
    ...threads.map((thread) => once(thread, "exit")),
    ...children.map((child) => once(child, "close")),
  ]);
  for (const [code] of ends) assert.equal(code, 0);
  assert.equal(await engine.increment("counted", 0), BigInt(5 * rounds));
  assert.equal(String(await engine.get("swapped")), String(5 * rounds));
  for (const name of ["thread 1", "thread 2", "thread 3", "process 1", "process 2"]) {
    const values = await engine.batchGet(Array.from({ length: rounds }, (_, round) => `${name} ${round}`));
    values.forEach((value, round) => {
      assert.equal(value?.toString(), `value of ${name} ${round}`);
    });
  }
});

test("a store opens in a thread whose other engines write to it, by whatever path", async (t) => {
  const folder = await temporaryFolder(t);
  const [path, link] = [join(folder, "store"), join(folder, "link")];
  await mkdir(path);
  await symlink(path, link);
  const child = startFixture("opens-beside-itself", path, link);
  // Where opening waits for a lock that only this thread of it would free, it never ends by itself.
  const deadline = setTimeout(() => child.kill("SIGKILL"), 60_000);
  let output = "";
  child.stdout?.on("data", (text: Buffer) => {
    output += text;
  });
  await once(child, "close");
  clearTimeout(deadline);
  assert.equal(output, "opened\n");
});

test("a process that forbids code made from text is told that this is why, and has the other stores", async (t) => {
  const library = new URL("../../../src/index.js", import.meta.url);
  const path = await temporaryFolder(t);
  const script = `
    const { createEngine } = await import(${JSON.stringify(library.href)});
    const engine = await createEngine({ backend: "memory:", compression: { codec: "zstd" } });
    await engine.put("key", "value ".repeat(1000));
    console.log((await engine.get("key")).length);
    await engine.close();
    await createEngine({ backend: ${JSON.stringify(`lmdb:${path}`)} }).catch(({ code, message }) => console.log(code, message));
  `;
  const options = ["--disallow-code-generation-from-strings", "--input-type=module", "-e", script];
  const child = spawn(process.execPath, options, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await once(child, "close");
  assert.match(output, /^6000\nCONFIG .*this process forbids/);
});

test("a process that has nothing else to do writes what it calls after it was busy, and ends", async (t) => {
  const library = new URL("../../../src/index.js", import.meta.url);
  for (const backend of ["memory:", `lmdb:${await temporaryFolder(t)}`]) {
    const script = `
      const { createEngine } = await import(${JSON.stringify(library.href)});
      const engine = await createEngine({ backend: ${JSON.stringify(backend)}, timeouts: { operationMs: 50 } });
      await engine.put("first", "1");
      await new Promise((resolve) => setTimeout(resolve, 5));
      const endMs = performance.now() + 120;
      while (performance.now() < endMs);
      await engine.put("second", "1");
      await engine.flush();
      await engine.close();
      console.log("done");
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    await once(child, "close");
    assert.equal(output, "done\n", backend);
  }
});
