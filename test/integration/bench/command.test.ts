import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import type { BenchReport } from "../../../bench/index.js";
import { startRedis, type TemporaryFolder, temporaryFolder } from "../../../src/testing/index.js";

const HIDE_PACKAGES = new URL("fixtures/hide-packages.js", import.meta.url);
const WITHOUT_PEERS = { NODE_OPTIONS: `--no-warnings --import ${HIDE_PACKAGES.href}` };

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

async function bench(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Run> {
  const script = fileURLToPath(new URL("../../../bench/main.js", import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { env: { ...process.env, ...environment } });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output, errors };
}

describe("the bench command", () => {
  let folder: TemporaryFolder;
  before(async () => {
    folder = await temporaryFolder();
  });
  after(() => folder.remove());

  test("lists workloads and peers", async () => {
    const { code, output } = await bench(["--list"]);
    assert.equal(code, 0);
    for (const name of ["get-100B@1000", "mixed-zipf-100B@1000", "trace", "soak", "valkey-glide", "redis-benchmark"]) {
      assert.ok(output.includes(name), name);
    }
  });

  test("explains itself when it is called wrongly", async () => {
    const { code, output, errors } = await bench(["--workload", "gets"]);
    assert.deepEqual([code, output], [2, ""]);
    assert.match(errors, /"gets"; did you mean get\?/);
  });

  test("goes on without the peers whose packages are not installed, and says so", async () => {
    const json = join(folder.path, "installed.json");
    const { code, output } = await bench(["--workload", "get-100B@1000", "--quick", "--json", json], WITHOUT_PEERS);
    assert.equal(code, 0, output);
    assert.match(output, /^Left out, .*: node-redis, iovalkey-auto, valkey-glide$/m);
    const { comparisons } = JSON.parse(await readFile(json, "utf8")) as BenchReport;
    const subjects = new Set(comparisons.map(({ subject }) => subject));
    assert.deepEqual(
      ["millrace", "ioredis-auto", "node-redis"].map((name) => subjects.has(name)),
      [true, true, false],
    );
  });

  test("refuses a named peer whose package is not installed, and says which one is needed", async () => {
    const { code, output, errors } = await bench(["--peers", "millrace", "node-redis"], WITHOUT_PEERS);
    assert.deepEqual([code, output], [2, ""]);
    assert.match(errors, /node-redis; npm install redis$/m);
  });

  test("refuses a file that it could not write in the end", async () => {
    const { code, output, errors } = await bench(["--quick", "--json", folder.path]);
    assert.deepEqual([code, output], [2, ""]);
    assert.match(errors, /cannot write .*folder/);
  });

  test("writes what it measured, every figure in its place", async () => {
    const json = join(folder.path, "deep", "report.json");
    const args = ["--workload", "get-100B@1000", "trace", "--quick", "--json", json, "--slo", "get.errors<=0"];
    const { code, output, errors } = await bench(args);
    assert.equal(errors, "", "no progress in a pipe");
    assert.equal(code, 0, output);
    const report = JSON.parse(await readFile(json, "utf8")) as BenchReport;
    assert.equal(report.schema, 1);
    assert.equal(report.environment.node, process.version);
    assert.match(report.environment.redis ?? "", /^(redis|valkey) \d/);
    assert.match(report.environment.peers.ioredis ?? "", /^\d+\.\d+\.\d+/);
    const workloads = new Set(report.comparisons.map((row) => row.workload));
    assert.deepEqual([...workloads], ["get-100B@1000", "trace-llm-windows", "get-100B@10000/s"]);
    const subjects = report.comparisons.filter((row) => row.workload === "get-100B@1000").map((row) => row.subject);
    assert.deepEqual(subjects.slice(0, 6), [
      ...["millrace", "ioredis", "ioredis-auto", "node-redis", "iovalkey-auto", "valkey-glide"],
    ]);
    for (const row of report.comparisons) {
      assert.equal(row.errors, 0, `${row.workload} ${row.subject}`);
      assert.ok(row.opsPerSec > 0 && Number.isFinite(row.opsPerSec));
      const { p50Us, p99Us, p999Us } = row;
      assert.ok(p50Us !== null && p99Us !== null && p50Us > 0 && p50Us <= p99Us);
      if (row.subject === "redis-benchmark") assert.deepEqual([p999Us, row.cpuUsPerOp], [null, null]);
      else assert.ok(p999Us !== null && p99Us <= p999Us);
    }
    for (const target of report.targets) {
      assert.deepEqual(Object.keys(target).slice(0, 3), ["id", "title", "source"]);
      assert.equal(typeof target.goal, "number");
      assert.equal(typeof target.pass, "boolean");
    }
    assert.deepEqual(
      report.verdicts.map(({ kind, pass }) => [kind, pass]),
      [["slo", true]],
    );
  });

  test("fails when an objective is missed or a baseline was faster", async () => {
    const file = join(folder.path, "fast.json");
    const fast = [{ workload: "get-100B@1", subject: "millrace", opsPerSec: 1e9 }];
    await writeFile(file, JSON.stringify({ schema: 1, comparisons: fast }));
    const small = ["--workload", "get-100B@1", "--peers", "millrace", "--quick"];
    const slow = await bench([...small, "--baseline", file, "--max-regression", "50%"]);
    assert.equal(slow.code, 1);
    assert.match(slow.output, /50\.0 % below the baseline.*MISSED/);
    const missed = await bench([...small, "--slo", "get-100B@1.ops>9M"]);
    assert.equal(missed.code, 1);
    assert.match(missed.output, /ops>9M.*MISSED/);
  });

  test("measures compression beside none and beside others' on keys of everybody's own", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const json = join(folder.path, "codec.json");
    const args = ["--workload", "codec-1KiB", "--quick", "--backend", server.url, "--json", json];
    const { code, output } = await bench(args);
    assert.equal(code, 0, output);
    const { comparisons, targets } = JSON.parse(await readFile(json, "utf8")) as BenchReport;
    assert.deepEqual(
      comparisons.slice(0, 5).map((row) => row.subject),
      ["millrace lz4", "millrace none", "ioredis-auto+lz4-wasm", "keyv+lz4", "valkey-glide+lz4"],
    );
    for (const row of comparisons) assert.equal(row.errors, 0, `${row.workload} ${row.subject}`);
    assert.deepEqual(
      targets.map(({ id }) => id),
      ["M2.1KiB-put", "M2.1KiB-get", "M2.1Gbit-put", "M2.1Gbit-get"],
    );
    const client = new Redis(server.url);
    t.after(() => client.disconnect());
    assert.equal(await client.dbsize(), 0, "keys were left behind");
  });

  test("brings codec threads down under load, and every operation succeeds", async () => {
    const json = join(folder.path, "faults.json");
    const { code, output } = await bench(["--workload", "codec-faults", "codec-grid", "--quick", "--json", json]);
    assert.equal(code, 0, output);
    const { comparisons, targets } = JSON.parse(await readFile(json, "utf8")) as BenchReport;
    for (const id of ["M2.faults-memory", "M2.faults-redis"]) {
      const target = targets.find((candidate) => candidate.id === id);
      assert.equal(target?.pass, true, target?.note);
      assert.match(target?.note ?? "", /exit [1-9].*memory [1-9].*loop [1-9]/);
    }
    assert.equal(comparisons.length, 6);
    for (const row of comparisons) {
      assert.equal(row.errors, 0, `${row.workload} ${row.subject}`);
      assert.ok((row.mainCpuUsPerOp ?? 0) > 0 && (row.loopDelayP99Ms ?? -1) >= 0);
    }
  });

  test("says so when there is no Redis, and measures the embedded default", async () => {
    const { code, output } = await bench(["--workload", "get-100B@100", "targets", "--quick"], {
      MILLRACE_REDIS_URL: "",
      MILLRACE_REDIS_SERVER: join(folder.path, "no-server"),
    });
    assert.equal(code, 0, output);
    assert.match(output, /No Redis/);
    assert.match(output, /lmdb/);
    assert.match(output, /millrace {2,}\d/);
  });

  test("leaves nothing on a server that was there before", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const args = ["--workload", "put-100B@100", "--peers", "millrace", "ioredis", "--quick", "--backend", server.url];
    const { code, output } = await bench(args);
    assert.equal(code, 0, output);
    const client = new Redis(server.url);
    t.after(() => client.disconnect());
    assert.equal(await client.dbsize(), 0);
  });

  test("names host and port and no password when the server does not answer", async () => {
    const server = await startRedis();
    await server.stop();
    const { code, errors } = await bench(["--quick", "--backend", `redis://me:hunter2@127.0.0.1:${server.port}`]);
    assert.equal(code, 1);
    assert.match(errors, new RegExp(`127\\.0\\.0\\.1:${server.port}`));
    assert.doesNotMatch(errors, /hunter2/);
  });

  test("sees a store that was made slow on purpose", async () => {
    const { code, output } = await bench(["--check", "--peers", "millrace"]);
    assert.equal(code, 0, output);
    assert.match(output, /stall of 200 ms.*met/);
  });

  test("keeps what it had measured when it is interrupted", async () => {
    const script = fileURLToPath(new URL("../../../bench/main.js", import.meta.url));
    const json = join(folder.path, "interrupted.json");
    const args = ["--workload", "get-100B@1", "soak", "--peers", "millrace", "--quick", "--json", json];
    const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "exit");
    let output = "";
    for await (const chunk of child.stdout) {
      output += String(chunk);
      if (output.includes("get, 100 B, 1 in flight")) child.kill("SIGTERM");
    }
    assert.deepEqual(await exited, [null, "SIGTERM"]);
    const { comparisons, environment } = JSON.parse(await readFile(json, "utf8")) as BenchReport;
    assert.deepEqual(
      comparisons.map(({ workload, subject }) => [workload, subject]),
      [["get-100B@1", "millrace"]],
    );
    assert.equal(environment.settings.interrupted, true);
  });

  test("ends its server when it is interrupted", async () => {
    const script = fileURLToPath(new URL("../../../bench/main.js", import.meta.url));
    const child = spawn(process.execPath, [script, "--workload", "soak", "--peers", "millrace"], {
      env: { ...process.env, TMPDIR: folder.path },
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const exited = once(child, "exit");
    child.kill("SIGINT");
    const [, signal] = (await exited) as [number | null, string | null];
    assert.equal(signal, "SIGINT");
    const left = (await readdir(folder.path)).filter((name) => name.startsWith("millrace-redis-"));
    assert.deepEqual(left, []);
  });
});
