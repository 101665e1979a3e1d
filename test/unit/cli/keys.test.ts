import assert from "node:assert/strict";
import { Readable, Writable } from "node:stream";
import { test } from "node:test";
import { keysCommand } from "../../../src/cli/commands/keys.js";
import { letReaderLeave } from "../../../src/cli/console.js";
import { createEngine } from "../../../src/index.js";
import { temporaryFolder } from "../../../src/testing/index.js";

const KEYS = 5000;

test("listing ends when the reader leaves, though the output can be written to again", async (t) => {
  const folder = await temporaryFolder();
  t.after(() => folder.remove());
  const backend = `lmdb:${folder.path}/store`;
  const engine = await createEngine(backend);
  await engine.batchPut(Array.from({ length: KEYS }, (_, index) => [`k${index}`, "v"] as const));
  await engine.close();
  let lines = 0;
  // As standard output does after its reader has left.
  const output = new Writable({
    autoDestroy: false,
    write(_chunk, _encoding, written) {
      lines++;
      setImmediate(written);
      if (lines === 10) this.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    },
  });
  letReaderLeave(output);
  await keysCommand({ input: Readable.from([]), output, errors: output, environment: {} }, undefined, { backend });
  assert.ok(lines < KEYS / 2, `${lines} lines`);
});

test("a key that is no text is listed as a JSON string", async (t) => {
  const folder = await temporaryFolder();
  t.after(() => folder.remove());
  const backend = `lmdb:${folder.path}/store`;
  const engine = await createEngine(backend);
  await engine.put(Buffer.from([0xff, 0xfe, 0x41]), "v");
  await engine.close();
  let text = "";
  const output = new Writable({
    write(chunk, _encoding, written) {
      text += String(chunk);
      written();
    },
  });
  await keysCommand({ input: Readable.from([]), output, errors: output, environment: {} }, undefined, { backend });
  assert.match(text, /^"\\ud[c-f].*A"\n$/i);
});
