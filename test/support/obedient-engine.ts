import assert from "node:assert/strict";
import { ConnectionError, type Mutation, type Outcome } from "../../src/index.js";
import { createLedger, type Ledger, type LedgerEngine, type ViolationKind } from "../../src/testing/index.js";

/** A store of text and an engine on it that does what it should, until a test replaces one of its operations. */
export class ObedientEngine implements LedgerEngine {
  readonly data = new Map<string, string>();
  /** When keys end, by the monotonic clock. */
  readonly ends = new Map<string, number>();

  /** What is there now. */
  present(key: string): string | undefined {
    if ((this.ends.get(key) ?? Number.POSITIVE_INFINITY) <= performance.now()) this.remove(key);
    return this.data.get(key);
  }

  remove(key: string): boolean {
    this.ends.delete(key);
    return this.data.delete(key);
  }
  set(key: string, value: string, ttlMs?: number | null): void {
    this.data.set(key, value);
    this.end(key, ttlMs);
  }
  end(key: string, ttlMs: number | null | undefined): void {
    if (ttlMs === undefined || ttlMs === null) this.ends.delete(key);
    else this.ends.set(key, performance.now() + ttlMs);
  }

  async get(key: string): Promise<Buffer | null> {
    const value = this.present(key);
    return value === undefined ? null : Buffer.from(value);
  }
  async contains(key: string): Promise<boolean> {
    return this.present(key) !== undefined;
  }
  async ttl(key: string): Promise<number | null> {
    if (this.present(key) === undefined) return null;
    return (this.ends.get(key) ?? Number.POSITIVE_INFINITY) - performance.now();
  }
  async put(key: string, value: string, options?: { ttlMs?: number | null }): Promise<void> {
    this.set(key, value, options?.ttlMs);
  }
  async delete(key: string): Promise<boolean> {
    return this.present(key) !== undefined && this.remove(key);
  }
  async expire(key: string, ttlMs: number | null): Promise<boolean> {
    if (this.present(key) === undefined) return false;
    this.end(key, ttlMs);
    return true;
  }
  async setIfNotExists(key: string, value: string, options?: { ttlMs?: number | null }): Promise<boolean> {
    if (this.present(key) !== undefined) return false;
    this.set(key, value, options?.ttlMs);
    return true;
  }
  async getAndDelete(key: string): Promise<Buffer | null> {
    const value = await this.get(key);
    this.remove(key);
    return value;
  }
  async compareAndSwap(key: string, expected: string | null, next: string | null): Promise<boolean> {
    if ((this.present(key) ?? null) !== expected) return false;
    if (next === null) this.remove(key);
    else this.set(key, next);
    return true;
  }
  async increment(key: string, by: number | bigint = 1): Promise<bigint> {
    const sum = BigInt(this.present(key) ?? "0") + BigInt(by);
    this.data.set(key, String(sum));
    return sum;
  }
  async batchGet(keys: Iterable<string>): Promise<(Buffer | null)[]> {
    return Promise.all([...keys].map((key) => this.get(key)));
  }
  async batchPut(entries: Iterable<readonly [string, string]>): Promise<void> {
    for (const [key, value] of entries) this.set(key, value);
  }
  async batchDelete(keys: Iterable<string>): Promise<number> {
    let count = 0;
    for (const key of keys) if (await this.delete(key)) count++;
    return count;
  }
  async transaction(mutations: Iterable<Mutation>): Promise<void> {
    for (const step of mutations) this.carryOut(step);
  }
  carryOut(step: Mutation): void {
    const key = step.key as string;
    if (step.type === "put") this.set(key, step.value as string, step.ttlMs);
    else if (step.type === "delete") this.remove(key);
    else if (this.present(key) !== undefined) this.end(key, step.ttlMs);
  }
  async clear(prefix = ""): Promise<number> {
    return this.batchDelete([...this.data.keys()].filter((key) => key.startsWith(prefix)));
  }
}

export function failure(outcome: Outcome): ConnectionError {
  return new ConnectionError("the connection was lost", { outcome, reason: "ERR_CONNECTION" });
}

/** Runs a story against an engine and says which violations the ledger found in it. */
export async function verdict(
  story: (ledger: Ledger, engine: ObedientEngine) => Promise<void>,
): Promise<Partial<Record<ViolationKind, number>>> {
  const engine = new ObedientEngine();
  const ledger = createLedger(engine as unknown as LedgerEngine, { operationMs: 20, budgetMs: 0 });
  try {
    await story(ledger, engine);
    const report = await ledger.verify(async (keys) =>
      keys.map((key) => {
        const value = engine.present(key);
        if (value === undefined) return null;
        const ttlMs = (engine.ends.get(key) ?? Number.POSITIVE_INFINITY) - performance.now();
        return { value: Buffer.from(value), ttlMs };
      }),
    );
    return Object.fromEntries(Object.entries(report.violations).filter(([, count]) => count > 0));
  } finally {
    ledger.stop();
  }
}

export const rejected = (call: Promise<unknown>): Promise<void> => assert.rejects(call);
