import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { Lane } from "../../../src/backends/postgres/lane.js";
import { SessionKeeper } from "../../../src/backends/postgres/session-keeper.js";
import { tlsChoices } from "../../../src/backends/postgres/tls-options.js";
import { parsePostgresUrl } from "../../../src/config/postgres-url.js";
import { startFaultProxy, startPostgres } from "../../../src/testing/index.js";
import { nothingEscapes } from "../../support/outcomes.js";
import { postgresIsThere } from "../../support/stores.js";
import { until } from "../../support/until.js";

/** A lane on which something that writes is always under way. */
class WritingLane extends Lane {
  override get hasWritesUnderWay(): boolean {
    return true;
  }
}

const logger = { debug() {}, info() {}, warn() {}, error() {} };

if (await postgresIsThere("the keeper of sessions")) {
  test("postgres: a connection that is lost while an older one is being ended leaves its lane with one, not two", async (t) => {
    nothingEscapes(t);
    const server = await startPostgres();
    t.after(() => server.stop());
    const proxy = await startFaultProxy(server.port);
    t.after(() => proxy.close());
    const observer = new Client(server.url);
    observer.on("error", () => {});
    await observer.connect();
    t.after(() => observer.end());
    const connections = async (): Promise<number> => {
      const { rowCount } = await observer.query("SELECT FROM pg_stat_activity WHERE application_name = 'kept'");
      return rowCount!;
    };

    const address = parsePostgresUrl(
      `${server.url.replace(`:${server.port}/`, `:${proxy.port}/`)}?sslmode=disable&application_name=kept`,
    );
    let attempts = 0;
    const keeper = new SessionKeeper({
      session: {
        address,
        tls: await tlsChoices(address),
        connectTimeoutMs: 5000,
        silenceMs: 5000,
        onDrained() {},
      },
      retry: { baseDelayMs: 5, maxDelayMs: 20, jitter: 0.3 },
      logger,
      onOpened() {},
      onLost() {},
      async endProcess() {
        if (++attempts > 3) return true;
        // The new connection, and with it the way to end the old one.
        await proxy.cut();
        await delay(20);
        throw new Error("no way to the server");
      },
    });
    t.after(() => keeper.close());
    const lane = new WritingLane();
    await keeper.open(lane);
    assert.equal(await connections(), 1);
    await proxy.cut();
    await until("it is connected again", () => lane.isOpen && attempts > 3);
    // Whatever else is on its way to a connection has one by then.
    await delay(300);
    assert.equal(await connections(), 1);
    await keeper.close();
    lane.session!.close();
    await until("none is left", async () => (await connections()) === 0);
  });
}
