import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { SubjectProcess } from "../../../bench/load/subject-process.js";
import { Subjects } from "../../../bench/load/subjects.js";
import { shapeOf } from "../../../bench/load/workload.js";
import { freePort } from "../../../src/testing/free-port.js";
import { startRedis } from "../../../src/testing/index.js";

const ignore = (): void => {};
const SEED = 1;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe("the process of a bench subject", () => {
  test("measures rounds of a workload that is given by name, and ends when it is closed", async () => {
    const subject = await SubjectProcess.open({ name: "millrace", url: "memory:", seed: SEED }, ignore);
    const { pid } = subject;
    assert.equal(subject.format, "millrace");
    assert.equal(await subject.ask("begin", { workload: "put-100B@1000" }), 0);
    const round = await subject.ask("round", { durationMs: 30, warmUpMs: 10, isTimed: true });
    assert.equal(round.errors, 0);
    assert.ok(round.operations > 0 && round.opsPerSec > 0 && round.cpuUsPerOp > 0, JSON.stringify(round));
    const latency = await subject.ask("end", {});
    assert.ok(latency.count > 0 && latency.p50Us > 0, JSON.stringify(latency));
    await subject.close();
    assert.equal(isAlive(pid), false);
    await subject.close();
  });

  test("has the engine options that it is started with, if it is millrace", async () => {
    const start = { name: "millrace", url: "memory:", seed: SEED, engine: { maxValueBytes: 10 } };
    const subject = await SubjectProcess.open(start, ignore);
    const shape = shapeOf("put-100B@1000");
    assert.ok((await subject.ask("load", { shape, keys: "own" })) > 0, "no value is small enough");
    await subject.close();
  });

  test("does not show its store's address to everybody on the machine", async () => {
    const subject = await SubjectProcess.open({ name: "millrace", url: "memory:", seed: SEED }, ignore);
    const file = `/proc/${subject.pid}/cmdline`;
    const shown = existsSync(file)
      ? readFileSync(file, "utf8")
      : (await promisify(execFile)("ps", ["-o", "args=", "-p", `${subject.pid}`])).stdout;
    assert.match(shown, /subject-main/);
    assert.doesNotMatch(shown, /memory:/);
    await subject.close();
  });

  test("that cannot reach its store says so instead of being waited for", async () => {
    const url = `redis://:secret@127.0.0.1:${await freePort()}`;
    await assert.rejects(SubjectProcess.open({ name: "millrace", url, seed: SEED }, ignore), (error: Error) => {
      assert.match(error.message, /millrace: .*connection refused/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  });

  test("leaves no file behind, whatever its client does", async (t) => {
    const socketOf = (pid: number): string[] =>
      readdirSync("/tmp").filter((name) => name.startsWith(`glide-socket-${pid}-`));
    const redis = await startRedis();
    t.after(() => redis.stop());
    const subject = await SubjectProcess.open({ name: "valkey-glide", url: redis.url, seed: SEED }, ignore);
    assert.equal(socketOf(subject.pid).length, 1);
    await subject.close();
    assert.deepEqual(socketOf(subject.pid), []);
  });

  test("that is killed fails what it was asked for, by name", async () => {
    const subject = await SubjectProcess.open({ name: "millrace", url: "memory:", seed: SEED }, ignore);
    await subject.ask("begin", { workload: "get-100B@1000" });
    const round = subject.ask("round", { durationMs: 60_000, warmUpMs: 0, isTimed: false });
    process.kill(subject.pid, "SIGKILL");
    await assert.rejects(round, /the process of millrace ended \(SIGKILL\)/);
    await subject.close();
  });

  test("asked for what it does not know answers with the reason and goes on", async () => {
    const subject = await SubjectProcess.open({ name: "millrace", url: "memory:", seed: SEED }, ignore);
    try {
      await assert.rejects(subject.ask("begin", { workload: "juggle" }), /there is no workload juggle/);
      assert.equal(await subject.ask("begin", { workload: "put-100B@1000" }), 0);
    } finally {
      await subject.close();
    }
  });

  test("is left alone with the store when it is to be measured alone", async (t) => {
    const redis = await startRedis();
    t.after(() => redis.stop());
    const subjects = await Subjects.open({
      names: ["ioredis", "millrace", "iovalkey-auto"],
      ...{ millraceUrl: redis.url, redisUrl: redis.url, engine: {}, seed: SEED },
      ...{ progress: ignore, note: ignore },
    });
    t.after(() => subjects.close());
    assert.deepEqual(subjects.pids.map(isAlive), [true, true, true]);
    await subjects.keepOnly("millrace");
    const alive = subjects.clients.filter(({ pid }) => isAlive(pid));
    assert.deepEqual(
      alive.map(({ name }) => name),
      ["millrace"],
    );
    assert.equal(await alive[0]!.ask("load", { shape: shapeOf("put-100B@1000"), keys: "own" }), 0);
  });
});
