import assert from "node:assert/strict";
import { type ChildProcess, fork, spawn } from "node:child_process";
import dns from "node:dns";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { createEngine } from "../../src/index.js";
import { startRedis } from "../../src/testing/index.js";
import { failureOf, nothingEscapes, settled } from "../support/outcomes.js";
import { redisIsThere } from "../support/stores.js";
import { until } from "../support/until.js";

const MAX_DESCRIPTORS = 256;
const HEAP_MB = 128;
/** Of 4 MB each. */
const MAX_PENDING = 8;

function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}.js`, import.meta.url));
}

interface FailureTold {
  readonly code: string;
  readonly outcome: string;
  readonly message: string;
}

function disconnectAll(admin: Redis): Promise<unknown> {
  return admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
}

async function message(child: ChildProcess): Promise<unknown> {
  return (await once(child, "message"))[0];
}

if (await redisIsThere("scarce resources")) {
  test("without a file descriptor for a connection calls fail by their deadline with the reason, and are served once there is one", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const admin = new Redis(server.url);
    t.after(() => admin.disconnect());
    const command = `ulimit -n ${MAX_DESCRIPTORS}; exec "$0" "$@"`;
    const child = spawn("sh", ["-c", command, process.execPath, fixture("few-descriptors"), server.url], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const exited = once(child, "exit");
    let told: unknown;
    child.on("message", (said) => {
      if (said !== "disconnect") told = said;
      else void disconnectAll(admin).then(() => child.send("done"));
    });
    assert.deepEqual(await exited, [0, null]);
    const { errors, healthy, value } = told as { errors: FailureTold[]; healthy: boolean; value: string };
    assert.equal(healthy, false);
    assert.equal(value, "before");
    const [opening, calling] = errors;
    assert.deepEqual([opening?.code, opening?.outcome], ["CONNECTION", "not-applied"]);
    assert.match(opening?.message ?? "", /no file descriptor left/);
    assert.equal(calling?.outcome, "not-applied");
    assert.ok(["CONNECTION", "TIMEOUT"].includes(calling?.code ?? ""), calling?.code);
  });

  test("a process with a small heap refuses large values with QueueFullError before it dies of them, and keeps what it took", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const child = fork(fixture("small-heap"), [server.url, String(MAX_PENDING)], {
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
    });
    const exited = once(child, "exit");
    await message(child);
    server.pause();
    child.send("go on");
    const { refused } = (await message(child)) as { refused: number };
    assert.equal(refused, 200 - MAX_PENDING);
    server.resume();
    assert.deepEqual(await message(child), { ok: MAX_PENDING, QUEUE_FULL: 200 - MAX_PENDING });
    assert.deepEqual(await exited, [0, null]);
  });

  test("a host name that cannot be resolved fails what opens and what calls, typed and in time, until it can be", async (t) => {
    nothingEscapes(t);
    const server = await startRedis();
    t.after(() => server.stop());
    const admin = new Redis(server.url);
    t.after(() => admin.disconnect());
    const options = {
      backend: `redis://localhost:${server.port}`,
      timeouts: { connectMs: 1000, operationMs: 500 },
      retry: { retries: 0, baseDelayMs: 5, maxDelayMs: 20 },
      circuitBreaker: false,
    } as const;
    const engine = await createEngine(options);
    t.after(() => engine.close());
    await engine.put("key", "value");
    const lookup = t.mock.method(dns, "lookup", (...given: unknown[]) => {
      const error = Object.assign(new Error("getaddrinfo ENOTFOUND localhost"), { code: "ENOTFOUND" });
      process.nextTick(given.at(-1) as (error: Error) => void, error);
    });
    const opening = await failureOf(createEngine(options));
    assert.deepEqual([opening.code, opening.outcome], ["CONNECTION", "not-applied"]);
    assert.match(opening.message, /localhost:\d+: the host name is unknown/);
    await disconnectAll(admin);
    await until("calls fail", async () => !(await settled(engine.get("key"))).ok);
    const calling = await failureOf(engine.put("key", "refused"));
    assert.equal(calling.outcome, "not-applied");
    assert.ok(["CONNECTION", "TIMEOUT"].includes(calling.code), calling.code);
    lookup.mock.restore();
    await until("calls are served again", async () => (await settled(engine.get("key"))).ok);
    assert.equal(String(await engine.get("key")), "value");
  });
}
