import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { SqliteDriver } from "../../../examples/sqlite-driver.js";
import { createEngine } from "../../../src/index.js";
import { describeDriver } from "../../../src/testing/index.js";
import { FakeClock } from "../../support/batch-probe.js";
import { temporaryFolder } from "../../support/lmdb-scope.js";

const lacking = lacksSqlite();
if (lacking !== undefined) {
  // `npm run matrix` runs the tests on every supported line of Node.js.
  test(`the example driver on SQLite: left out, ${lacking}`, { skip: lacking });
} else {
  describeDriver({
    name: "sqlite example",
    async open(t) {
      const clock = new FakeClock();
      const path = join(await temporaryFolder(t), "state.sqlite");
      return { driver: new SqliteDriver(path, () => clock.wallMs()), advance: (ms) => clock.advance(ms) };
    },
  });

  test("an engine on the example driver keeps what was put when it is opened again", async (t) => {
    const path = join(await temporaryFolder(t), "state.sqlite");
    const first = await createEngine({ backend: new SqliteDriver(path) });
    await Promise.all(Array.from({ length: 1000 }, (_, index) => first.put(`user:${index}`, `number ${index}`)));
    assert.ok(first.stats().batches <= 3);
    await first.close();
    const second = await createEngine({ backend: new SqliteDriver(path) });
    t.after(() => second.close());
    assert.equal(String(await second.get("user:7")), "number 7");
    assert.equal(await second.count("user:"), 1000);
  });
}

function lacksSqlite(): string | undefined {
  try {
    createRequire(import.meta.url)("node:sqlite");
    return undefined;
  } catch {
    return `Node.js ${process.versions.node} has no node:sqlite`;
  }
}
