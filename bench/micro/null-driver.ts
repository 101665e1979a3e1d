import type { Batch, Driver } from "../../src/index.js";

/** A store that holds nothing and answers in the next turn of the event loop: what is left is the queue. */
export class NullDriver implements Driver {
  readonly name = "null";
  readonly capabilities = {
    maxInFlight: 8,
    maxKeyBytes: 4096,
    expiry: true,
    transactions: true,
    metadata: false,
    replicatedDurability: false,
  };

  async open(): Promise<void> {}

  execute(batch: Batch): void {
    setImmediate(() => {
      batch.forEachLeader((leader) => batch.succeed(leader, null));
      batch.complete();
    });
  }

  async *scan(): AsyncGenerator<never> {}

  async clear(): Promise<number> {
    return 0;
  }

  async health() {
    return { healthy: true, backend: this.name, latencyMs: 0, detail: "holds nothing" };
  }

  async memoryUsage(): Promise<number> {
    return 0;
  }

  async serverInfo(): Promise<Record<string, string>> {
    return {};
  }

  connections() {
    return { active: 0, idle: 0 };
  }

  async close(): Promise<void> {}
}
