import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ServerProcess } from "../../../src/testing/server-process.js";

/** Processes that run with this argument. */
function runningWith(argument: string): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "latin1").split("\0").includes(argument);
    } catch {
      return false;
    }
  });
}

if (existsSync("/proc/self/stat")) {
  test("a server killed while it starts processes leaves none of them", async (t) => {
    const marker = `60.${randomInt(1_000_000)}`;
    const server = new ServerProcess({
      command: "/bin/sh",
      args: ["-c", `while :; do sleep ${marker} & sleep 0.001; done`],
      isReady: () => runningWith(marker).length > 5,
    });
    t.after(() => server.stop());
    for (let round = 0; round < 5; round++) {
      await server.start();
      await server.kill();
      await delay(20);
      assert.deepEqual(runningWith(marker), []);
    }
  });
}
