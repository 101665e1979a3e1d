import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ServerProcess } from "../../../src/testing/server-process.js";

const EXIT_CLEANUP = fileURLToPath(new URL("../../../src/testing/exit-cleanup.js", import.meta.url));

interface Ending {
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
  readonly complained: string;
}

/** A process whose second of three clean-ups fails. */
async function ended(ending: string): Promise<Ending> {
  const program = `
    import { atExit } from ${JSON.stringify(EXIT_CLEANUP)};
    atExit(() => console.log("first"));
    atExit(() => { throw new Error("the second failed"); });
    atExit(() => console.log("third"));
    ${ending}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
  let [said, complained] = ["", ""];
  child.stdout.on("data", (piece) => {
    said += piece;
  });
  child.stderr.on("data", (piece) => {
    complained += piece;
  });
  const [, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { signal, said, complained };
}

test("a clean-up that fails keeps no other from running, and is told when the process exits", async () => {
  const { said, complained } = await ended("process.exit(0);");
  assert.equal(said, "first\nthird\n");
  assert.match(complained, /the second failed/);
});

test("a clean-up that fails keeps no signal from ending the process", async () => {
  const { signal, said, complained } = await ended(
    'setInterval(() => {}, 1000); process.kill(process.pid, "SIGTERM");',
  );
  assert.equal(said, "first\nthird\n");
  assert.match(complained, /the second failed/);
  assert.equal(signal, "SIGTERM");
});

test("a server whose readiness cannot be asked for is ended", async () => {
  let pid = 0;
  const server: ServerProcess = new ServerProcess({
    command: process.execPath,
    args: ["-e", "setInterval(() => {}, 1000)"],
    isReady() {
      pid = server.pid;
      throw new Error("cannot ask");
    },
  });
  await assert.rejects(server.start(), { message: "cannot ask" });
  assert.notEqual(pid, 0);
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  assert.throws(() => server.pid, /does not run/);
});
