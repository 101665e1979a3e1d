import type { Batch } from "../../../src/backends/batch.js";
import type { Capabilities, Driver, DriverContext, Health } from "../../../src/backends/contract.js";
import { Kind, type Request } from "../../../src/backends/request.js";

/** A store that answers when and as a test says. */
export class HandDriver {
  readonly name = "hand";
  readonly capabilities: Capabilities;
  readonly batches: Batch[] = [];
  readonly abandoned: Batch[] = [];
  writable = true;
  context: DriverContext | undefined;
  readonly #onBatch: (batch: Batch, driver: HandDriver) => void;

  constructor(onBatch: (batch: Batch, driver: HandDriver) => void, wishes: Partial<Capabilities> = {}) {
    this.#onBatch = onBatch;
    this.capabilities = {
      ...{ maxInFlight: 8, maxKeyBytes: 4096, expiry: true, transactions: true },
      ...{ metadata: true, replicatedDurability: false, ...wishes },
    };
  }

  /** What `createEngine` takes. */
  get driver(): Driver {
    return this as unknown as Driver;
  }

  async open(context: DriverContext): Promise<void> {
    this.context = context;
  }

  isWritable(): boolean {
    return this.writable;
  }

  execute(batch: Batch): void {
    this.batches.push(batch);
    this.#onBatch(batch, this);
  }

  abandon(batch: Batch): void {
    this.abandoned.push(batch);
  }

  async *scan(): AsyncGenerator<never> {}

  async clear(): Promise<number> {
    return 0;
  }

  async health(): Promise<Health> {
    return { healthy: true, backend: this.name, latencyMs: 0, detail: "" };
  }

  async memoryUsage(): Promise<number> {
    return 0;
  }

  async serverInfo(): Promise<Record<string, string>> {
    return {};
  }

  connections(): { readonly active: number; readonly idle: number } {
    return { active: 0, idle: 0 };
  }

  async close(): Promise<void> {}
}

/** Every operation of the batch is done; no key has a value. */
export function succeedAll(batch: Batch): void {
  batch.forEachLeader((leader) => batch.succeed(leader, doneResult(leader)));
  batch.complete();
}

function doneResult({ kind }: Request): unknown {
  if (kind === Kind.get) return null;
  return kind === Kind.put ? undefined : true;
}
