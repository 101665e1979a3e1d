import { performance } from "node:perf_hooks";
import { type Clock, systemClock } from "../../core/clock.js";
import { ClosedError, ConfigError } from "../../core/errors.js";
import type { CanonicalKey } from "../../core/key.js";
import type { Batch } from "../batch.js";
import { executeOther } from "../conditional-operations.js";
import type {
  Capabilities,
  ChangeListener,
  ConnectionCounts,
  Driver,
  DriverContext,
  Health,
  ScanPage,
} from "../contract.js";
import { locateError, placeError } from "../located-error.js";
import { OPERATION_NAMES, type Request } from "../request.js";
import { MemorySession } from "./memory-session.js";
import type { Entry } from "./memory-store.js";
import type { MemoryOptions } from "./options.js";
import { TICK_MS } from "./timer-wheel.js";

const NAME = "memory";
const PAGE_KEYS = 512;
/** Entries one run of the sweep looks at, well below a millisecond of work. */
const SWEEP_STEPS = 4096;

const CAPABILITIES: Capabilities = Object.freeze({
  maxInFlight: 1,
  maxKeyBytes: 1 << 20,
  expiry: true,
  transactions: true,
  metadata: false,
  replicatedDurability: false,
  scansOnce: true,
});

/**
 * The store in this process, and the model the others are compared with: a batch runs from its first request to its
 * last inside `execute`, at one instant of the clock. Values are encoded all the same, so that a value has the same
 * limits, checks and ownership here as in any other store.
 */
class MemoryDriver implements Driver {
  readonly name = NAME;
  readonly capabilities = CAPABILITIES;
  readonly #clock: Clock;
  #session: MemorySession | undefined = undefined;
  #sweepTimer: NodeJS.Timeout | undefined = undefined;

  constructor(options: MemoryOptions) {
    this.#clock = options.clock ?? systemClock;
  }

  /** Nobody else can change what is in here. */
  watchChanges(listener: ChangeListener): void {
    listener.linkUp();
  }

  async open(context: DriverContext): Promise<void> {
    if (this.#session !== undefined) throw new ConfigError("this memory driver serves another engine already");
    this.#session = new MemorySession(context, this.#clock.monotonicMs());
  }

  execute(batch: Batch): void {
    const session = this.#session;
    if (session === undefined) {
      batch.forEachLeader((request) => {
        const operation = OPERATION_NAMES[request.kind];
        batch.fail(request, new ClosedError("the store is not open", { operation, key: request.key, backend: NAME }));
      });
    } else {
      session.nowMs = this.#clock.monotonicMs();
      executeGroups(session, batch);
      if (this.#sweepTimer === undefined && session.store.expiringSize > 0) this.#sweepAfter(session, TICK_MS);
    }
    batch.complete();
  }

  async *scan(prefix: string, withValues: boolean): AsyncGenerator<ScanPage> {
    const session = this.#opened("scan");
    let keys: CanonicalKey[] = [];
    let values: Buffer[] = [];
    for (const entry of session.store.entries(prefix, () => this.#clock.monotonicMs())) {
      keys.push(entry.key);
      if (withValues) values.push(decodeScanned(session, entry));
      if (keys.length < PAGE_KEYS) continue;
      yield withValues ? { keys, values } : { keys };
      keys = [];
      values = [];
    }
    if (keys.length > 0) yield withValues ? { keys, values } : { keys };
  }

  async clear(prefix: string): Promise<number> {
    const { store } = this.#opened("clear");
    const nowMs = this.#clock.monotonicMs();
    let cleared = 0;
    for (const entry of store.entries(prefix, () => nowMs)) {
      store.remove(entry);
      cleared++;
    }
    return cleared;
  }

  async health(): Promise<Health> {
    const startedAtMs = performance.now();
    const { store } = this.#opened("healthCheck");
    const latencyMs = performance.now() - startedAtMs;
    return { healthy: true, backend: NAME, latencyMs, detail: `${store.size} entries in this process` };
  }

  async memoryUsage(): Promise<number> {
    return this.#opened("memoryUsage").store.bytes;
  }

  async serverInfo(): Promise<Record<string, string>> {
    const { store } = this.#opened("serverInfo");
    return {
      server: "memory",
      version: process.versions.node,
      entries: String(store.size),
      expiring: String(store.expiringSize),
      bytes: String(store.bytes),
    };
  }

  connections(): ConnectionCounts {
    return { active: this.#session === undefined ? 0 : 1, idle: 0 };
  }

  async close(): Promise<void> {
    clearTimeout(this.#sweepTimer);
    this.#sweepTimer = undefined;
    this.#session = undefined;
  }

  #opened(operation: string): MemorySession {
    if (this.#session === undefined) throw new ClosedError("the store is not open", { operation, backend: NAME });
    return this.#session;
  }

  #sweepAfter(session: MemorySession, delayMs: number): void {
    this.#sweepTimer = setTimeout(() => {
      const done = session.store.sweep(this.#clock.monotonicMs(), SWEEP_STEPS);
      this.#sweepTimer = undefined;
      if (session.store.expiringSize > 0) this.#sweepAfter(session, done ? TICK_MS : 1);
    }, delayMs);
    this.#sweepTimer.unref();
  }
}

function executeGroups(session: MemorySession, batch: Batch): void {
  const { store, nowMs } = session;
  let defers: boolean | undefined;
  for (const request of batch.probes) batch.succeed(request, store.find(request.key, nowMs) !== undefined);
  for (const request of batch.reads) {
    let value: Buffer | null;
    try {
      const entry = store.find(request.key, nowMs);
      if (entry !== undefined && defers !== false) {
        const rawBytes = session.claimedRawBytes(entry);
        if (rawBytes >= 0) {
          defers ??= batch.defersDecoding(rawBytes);
          if (defers) {
            batch.succeedStored(request, session.storedOf(entry), entry.keyChecksum);
            continue;
          }
        }
      }
      value = entry === undefined ? null : session.valueOf(request.key, entry);
    } catch (error) {
      batch.fail(request, locateError(error, request, NAME));
      continue;
    }
    batch.succeed(request, value);
  }
  for (const request of batch.deletes) {
    const entry = store.find(request.key, nowMs);
    if (entry !== undefined) store.remove(entry);
    batch.succeed(request, entry !== undefined);
  }
  for (const request of batch.puts) executePut(session, batch, request);
  for (const request of batch.expiringPuts) executePut(session, batch, request);
  for (const request of batch.others) {
    let result: unknown;
    try {
      result = executeOther(session, request);
    } catch (error) {
      batch.fail(request, locateError(error, request, NAME));
      continue;
    }
    batch.succeed(request, result);
  }
}

function executePut(session: MemorySession, batch: Batch, request: Request): void {
  try {
    session.put(request.key, request.value!, request.ttlMs === 0 ? 0 : session.nowMs + request.ttlMs);
  } catch (error) {
    batch.fail(request, locateError(error, request, NAME));
    return;
  }
  batch.succeed(request, undefined);
}

function decodeScanned(session: MemorySession, entry: Entry): Buffer {
  try {
    return session.valueOf(entry.key, entry);
  } catch (error) {
    throw placeError(error, "scan", entry.key, NAME);
  }
}

export function createMemoryDriver(options: MemoryOptions = {}): Driver {
  return new MemoryDriver(options);
}
