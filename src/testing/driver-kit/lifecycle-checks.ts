import assert from "node:assert/strict";
import type { Check } from "./subject.js";

export const lifecycleChecks: readonly Check[] = [
  {
    name: "the driver says who it is and what it can do",
    async run({ driver, capabilities }) {
      assert.match(driver.name, /^[a-z][a-z0-9-]*$/);
      assert.ok(Number.isSafeInteger(capabilities.maxInFlight) && capabilities.maxInFlight >= 1);
      assert.ok(capabilities.maxKeyBytes >= 256, "keys of 256 bytes are what every program may want");
    },
  },
  {
    name: "reports health, size, connections and what it is",
    async run({ driver }) {
      const health = await driver.health();
      assert.equal(health.healthy, true);
      assert.equal(health.backend, driver.name);
      assert.ok(health.latencyMs >= 0 && health.detail !== "");
      assert.ok((await driver.memoryUsage()) >= 0);
      const information = Object.entries(await driver.serverInfo());
      assert.ok(information.length > 0 && information.every(([, value]) => typeof value === "string"));
      const { active, idle } = driver.connections();
      assert.ok(active >= 0 && idle >= 0);
    },
  },
  {
    name: "after close every request fails as not applied, and closing again is fine",
    async run(subject) {
      const { driver } = subject;
      await driver.close();
      await driver.close();
      const [result] = await subject.batch((probe) => Promise.allSettled([probe.put("a", "1")]));
      assert.ok(result?.status === "rejected");
      assert.deepEqual([result.reason.code, result.reason.outcome], ["CLOSED", "not-applied"]);
      await assert.rejects(driver.health(), { code: "CLOSED" });
    },
  },
];
