import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createEngine } from "../../../src/index.js";
import { nothingEscapes } from "../../support/outcomes.js";
import { bulk, RespServer } from "../../support/resp-server.js";
import { until } from "../../support/until.js";

const EXTRA = bulk("a value that nobody asked for");
/** Longer than a handshake takes, and what is sent after it. */
const LATE_MS = 100;

const ANSWERS: Record<string, string> = {
  HELLO: "%1\r\n$5\r\nproto\r\n:3\r\n",
  PING: "+PONG\r\n",
  COMMAND: "*1\r\n*-1\r\n",
  INFO: bulk("# Server\r\nrun_id:this\r\n"),
  "CLIENT ID": ":1\r\n",
  "CLIENT SETINFO": "+OK\r\n",
};

for (const question of Object.keys(ANSWERS)) {
  test(`a connection on which a reply too many came before that to ${question} is not used`, async (t) => {
    nothingEscapes(t);
    const server = await RespServer.start();
    t.after(() => server.close());
    const first: unknown[] = [];
    const wrote: unknown[] = [];
    let isShifted = false;
    server.intercept = ([name, word, part], socket) => {
      if (name === "HELLO") first.push(socket);
      if (name === "MSET" || name === "SET") wrote.push(socket);
      if (socket !== first[0]) return undefined;
      if (part === "LIB-VER") {
        // What is left over comes when the others have been read.
        void delay(LATE_MS).then(() => socket.destroyed || socket.write("+OK\r\n"));
        return "silence";
      }
      if (question !== (name === "CLIENT" ? `${name} ${word}` : name) || isShifted) return undefined;
      isShifted = true;
      return EXTRA + ANSWERS[question];
    };
    const engine = await createEngine({
      backend: server.url,
      keyPrefix: "",
      timeouts: { connectMs: 2000 },
      retry: { retries: 0 },
    }).catch(() => createEngine({ backend: server.url, keyPrefix: "" }));
    t.after(() => engine.close());
    await engine.put("a", "1");
    await delay(LATE_MS);
    await engine.put("a", "2");
    assert.ok(isShifted);
    assert.equal(wrote.length, 2);
    assert.ok(!wrote.includes(first[0]), "it was used");
    assert.equal(String(await engine.get("a")), "2");
  });
}

for (const [what, word] of [
  ["that nothing was due on", "PING"],
  ["that was to have another one ended", "KILL"],
] as const) {
  test(`a connection ${what} is given up when a value answers its question`, async (t) => {
    nothingEscapes(t);
    const server = await RespServer.start();
    t.after(() => server.close());
    let id = 0;
    let isArmed = false;
    const suspects = new Set<unknown>();
    const wrote: unknown[] = [];
    server.intercept = (command, socket) => {
      const [name, part] = command;
      if (name === "INFO") return bulk("# Server\r\nrun_id:this\r\n");
      if (name === "CLIENT" && part === "ID") return `:${++id}\r\n`;
      if (name === "MSET" || name === "SET") wrote.push(socket);
      if (!isArmed || (name !== word && part !== word)) return undefined;
      isArmed = false;
      suspects.add(socket);
      return EXTRA;
    };
    const engine = await createEngine({ backend: server.url, keyPrefix: "", pool: { min: 2, max: 2 } });
    t.after(() => engine.close());
    await until("both are open", () => server.open >= 2);
    await engine.put("a", "1");
    isArmed = true;
    if (word === "KILL") (wrote.at(-1) as { destroy(): void }).destroy();
    await until("it was asked", () => suspects.size > 0);
    for (let i = 0; i < 20; i++) await engine.put(`b${i}`, "2");
    assert.ok(!wrote.slice(1).some((socket) => suspects.has(socket)), "it was used");
  });
}
