import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readMillraceSettings } from "../../../bench/lib/millrace-settings.js";
import { UsageError } from "../../../bench/lib/usage-error.js";
import { temporaryFolder } from "../../support/lmdb-scope.js";
import type { TestScope } from "../../support/stores.js";

async function fileOf(t: TestScope, text: string): Promise<string> {
  const file = join(await temporaryFolder(t), "millrace.toml");
  await writeFile(file, text);
  return file;
}

describe("the settings of the subject millrace", () => {
  test("are the store of the flag and no options without a file", async () => {
    assert.deepEqual(await readMillraceSettings({ config: null, backend: "memory:" }, undefined), {
      backend: "memory:",
      engine: {},
    });
  });

  test("are those of the file, where the flag names another store", async (t) => {
    const config = await fileOf(t, 'backend = "lmdb:./a"\n[batching]\nmaxSize = 7\n[admin]\nport = 1\n');
    const engine = { batching: { maxSize: 7 } };
    const read = (backend: string | null) => readMillraceSettings({ config, backend }, "redis://127.0.0.1:1");
    assert.deepEqual(await read(null), { backend: "lmdb:./a", engine });
    assert.deepEqual(await read("memory:"), { backend: "memory:", engine });
  });

  test("may be for the store that the bench finds when neither names one", async (t) => {
    const config = await fileOf(t, '[tls]\nservername = "cache"\n');
    const { backend, engine } = await readMillraceSettings({ config, backend: null }, "rediss://127.0.0.1:1");
    assert.deepEqual([backend, engine], ["rediss://127.0.0.1:1", { tls: { servername: "cache" } }]);
    for (const none of ["", undefined]) {
      await assert.rejects(readMillraceSettings({ config, backend: null }, none), UsageError);
    }
  });

  test("are refused in one line that says where they stand, without a password", async (t) => {
    const wrong: [text: string, message: RegExp][] = [
      ["maxValueBytes = 0", /^maxValueBytes: must be .* \(from .*millrace\.toml\)$/],
      ["maxValueByte = 1", /^maxValueByte: there is no such option; did you mean maxValueBytes\? \(from .*\)$/],
      ['backend = "redis://:hunter2"\nx', /^.*millrace\.toml:2:\d+: this is no TOML: [^\n]+$/],
      ['backend = "redis://:hun/ter2@a"', /^backend: (?!.*ter2).*$/],
    ];
    for (const [text, message] of wrong) {
      const config = await fileOf(t, text);
      await assert.rejects(readMillraceSettings({ config, backend: null }, undefined), (error: Error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        return true;
      });
    }
  });
});
