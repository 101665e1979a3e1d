import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startRedis, useRedis } from "../../../src/testing/index.js";

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ESRCH");
    return false;
  }
}

async function command(port: number, text: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.write(text);
  const [reply] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return reply.toString();
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

describe("an ephemeral Redis", () => {
  test("answers from the moment it is handed over and leaves neither process nor folder", async () => {
    const server = await startRedis();
    const { pid } = server;
    assert.equal(await command(server.port, "PING\r\n"), "+PONG\r\n");
    assert.match(server.version, /^\d+\.\d+/);
    assert.ok(existsSync(server.directory));
    await server.stop();
    await server.stop();
    assert.equal(processExists(pid), false);
    assert.equal(existsSync(server.directory), false);
  });

  test("is ready although it asks for a password", async (t) => {
    const server = await startRedis({ args: ["--requirepass", "secret"] });
    t.after(() => server.stop());
    assert.match(await command(server.port, "PING\r\n"), /^-NOAUTH/);
  });

  test("can be frozen and stopped while frozen", async () => {
    const server = await startRedis();
    const { pid } = server;
    server.pause();
    await server.stop();
    assert.equal(processExists(pid), false);
  });

  test("comes back on the same port after a crash", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const { pid } = server;
    await server.kill();
    assert.equal(processExists(pid), false);
    assert.throws(() => server.pause(), /does not run/);
    await server.restart();
    assert.notEqual(server.pid, pid);
    assert.equal(await command(server.port, "PING\r\n"), "+PONG\r\n");
  });

  test("reports the server's own words when it does not start", async () => {
    await assert.rejects(startRedis({ args: ["--no-such-setting", "1"] }), /no-such-setting/);
  });

  for (const how of ["return", "exit", "SIGTERM"] as const) {
    test(`ends with the process that started it (${how})`, async () => {
      const script = fileURLToPath(new URL("./fixtures/forgets-its-server.js", import.meta.url));
      const child = spawn(process.execPath, [script, how], { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      const [line] = (await once(child.stdout, "data")) as [Buffer];
      const { port, directory } = JSON.parse(line.toString()) as { port: number; directory: string };
      assert.ok(await listens(port));
      child.kill(how === "SIGTERM" ? "SIGTERM" : "SIGCONT");
      const [code, signal] = (await exited) as [number | null, string | null];
      assert.deepEqual([code, signal], how === "SIGTERM" ? [null, "SIGTERM"] : [how === "exit" ? 3 : 0, null]);
      // Not by its pid: whoever inherits the dead process may take its time to collect it.
      while (await listens(port)) await new Promise(setImmediate);
      assert.equal(existsSync(directory), false);
    });
  }
});

describe("useRedis", () => {
  test("describes a server that runs already and does not stop it", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const used = await useRedis(server.url);
    assert.deepEqual([used.port, used.kind, used.version], [server.port, server.kind, server.version]);
    await used.stop();
    assert.equal(await command(server.port, "PING\r\n"), "+PONG\r\n");
  });

  test("names host and port but not the password when nobody answers", async () => {
    const server = await startRedis();
    await server.stop();
    await assert.rejects(useRedis(`redis://user:hunter2@127.0.0.1:${server.port}`), (error: Error) => {
      assert.match(error.message, new RegExp(`127.0.0.1:${server.port}`));
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  });
});
