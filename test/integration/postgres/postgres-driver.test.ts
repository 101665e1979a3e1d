import { createPostgresDriver } from "../../../src/backends/postgres/postgres-driver.js";
import { parsePostgresUrl } from "../../../src/config/postgres-url.js";
import { describeDriver } from "../../../src/testing/index.js";
import { FakeClock } from "../../support/batch-probe.js";
import { onPostgres } from "../../support/stores.js";

let schemas = 0;

await onPostgres("postgres driver", (_store, server) => {
  describeDriver({
    name: "postgres",
    open() {
      const clock = new FakeClock();
      const driver = createPostgresDriver({
        address: { ...parsePostgresUrl(server.url), schema: `driver_${process.pid}_${++schemas}` },
        retry: { baseDelayMs: 10, maxDelayMs: 100, jitter: 0.3 },
        now: () => `to_timestamp(${clock.wallMs() / 1000})`,
      });
      return { driver, advance: (ms) => clock.advance(ms) };
    },
  });
});
