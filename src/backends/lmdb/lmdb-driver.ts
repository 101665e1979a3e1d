import { mkdir } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { type Clock, systemClock } from "../../core/clock.js";
import { ClosedError, ConfigError, ConnectionError, StateError } from "../../core/errors.js";
import type { CanonicalKey } from "../../core/key.js";
import type { Batch } from "../batch.js";
import type { Capabilities, ConnectionCounts, Driver, DriverContext, Health, Logger, ScanPage } from "../contract.js";
import { placeError } from "../located-error.js";
import { OPERATION_NAMES } from "../request.js";
import { writeBackup } from "./backup.js";
import { directoryIdentity, forgetQueue, openBetweenCommits } from "./between-commits.js";
import { CommitQueue } from "./commit-queue.js";
import { checkDataFile, isStoreComplete } from "./file-check.js";
import { type LmdbLibrary, type LmdbRootDatabase, loadLmdb } from "./lmdb-library.js";
import { LmdbStore } from "./lmdb-store.js";
import type { LmdbOptions } from "./options.js";
import { freeBytesOfVolume, type RoomLimits, requireRoomForStore } from "./room.js";
import { MAX_STORED_KEY_BYTES } from "./stored-key.js";
import { Sweeper } from "./sweeper.js";

const NAME = "lmdb";
const PAGE_KEYS = 512;
const PAGE_VALUE_BYTES = 4 << 20;
const KEYS_CLEARED_PER_COMMIT = 1024;

const CAPABILITIES: Capabilities = Object.freeze({
  maxInFlight: 1024,
  gathersBatches: true,
  maxKeyBytes: MAX_STORED_KEY_BYTES,
  expiry: true,
  transactions: true,
  metadata: false,
  replicatedDurability: false,
  scansOnce: true,
});

interface Session {
  readonly directory: string;
  readonly logger: Logger;
  readonly store: LmdbStore;
  readonly queue: CommitQueue;
  readonly sweeper: Sweeper;
}

class LmdbDriver implements Driver {
  readonly name = NAME;
  readonly capabilities = CAPABILITIES;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #limits: RoomLimits;
  #session: Session | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;

  constructor(options: LmdbOptions) {
    this.#path = options.path;
    this.#clock = options.clock ?? systemClock;
    this.#limits = {
      freeBytes: options.freeBytes ?? (() => freeBytesOfVolume(options.path)),
      maxBytes: options.maxBytes ?? Number.POSITIVE_INFINITY,
    };
  }

  async open(context: DriverContext): Promise<void> {
    if (this.#session !== undefined) throw new ConfigError("this LMDB driver serves another engine already");
    this.#closing = undefined;
    const library = await loadLmdb();
    const directory = await this.#directory();
    const { logger } = context;
    const openSession = (): Session => {
      const store = this.#openStore(library, context);
      const queue = new CommitQueue(store, this.#clock, this.#limits, context.operationTimeoutMs);
      return { directory, logger, store, queue, sweeper: new Sweeper(store, queue, this.#clock, logger) };
    };
    try {
      this.#session = await openBetweenCommits(directory, openSession, context.connectTimeoutMs);
    } catch (cause) {
      throw cannotOpen(this.#path, cause);
    }
  }

  execute(batch: Batch): void {
    if (this.#session !== undefined) {
      this.#session.queue.execute(batch);
      return;
    }
    batch.forEachLeader((request) => {
      const operation = OPERATION_NAMES[request.kind];
      batch.fail(request, new ClosedError("the store is not open", { operation, key: request.key, backend: NAME }));
    });
    batch.complete();
  }

  async *scan(prefix: string, withValues: boolean): AsyncGenerator<ScanPage> {
    const { store } = this.#opened("scan");
    let after: Buffer | undefined;
    for (;;) {
      const stored = store.keysAfter(prefix, after, PAGE_KEYS);
      let next = 0;
      while (next < stored.length) {
        const keys: CanonicalKey[] = [];
        const values: Buffer[] = [];
        store.nowMs = this.#clock.wallMs();
        for (let bytes = 0; next < stored.length && bytes < PAGE_VALUE_BYTES; next++) {
          const key = store.keys.canonical(stored[next]!);
          const value = readScanned(store, key, withValues);
          if (value === null) continue;
          keys.push(key);
          if (value === undefined) continue;
          values.push(value);
          bytes += value.length;
        }
        if (keys.length > 0) yield withValues ? { keys, values } : { keys };
      }
      if (stored.length < PAGE_KEYS) return;
      after = stored[stored.length - 1];
    }
  }

  async clear(prefix: string): Promise<number> {
    const { store, queue } = this.#opened("clear");
    let cleared = 0;
    let after: Buffer | undefined;
    let stored: Buffer[] = [];
    let most = KEYS_CLEARED_PER_COMMIT;
    do {
      try {
        await queue.runExclusive((mostRemovals) => {
          most = Math.min(KEYS_CLEARED_PER_COMMIT, mostRemovals);
          store.nowMs = this.#clock.wallMs();
          stored = store.keysAfter(prefix, after, most);
          for (const storedKey of stored) {
            const key = store.keys.canonical(storedKey);
            if (store.isLive(key)) cleared++;
            store.remove(key);
          }
        });
      } catch (error) {
        throw placeError(error, "clear", undefined, NAME, cleared === 0 ? undefined : "unknown");
      }
      after = stored[stored.length - 1];
    } while (stored.length === most);
    return cleared;
  }

  async backup(path: string): Promise<void> {
    await writeBackup(this.#opened("backup").store, path);
  }

  async health(): Promise<Health> {
    const { store } = this.#opened("healthCheck");
    const startedAtMs = performance.now();
    const { entries } = store.statistics();
    const latencyMs = performance.now() - startedAtMs;
    return { healthy: true, backend: NAME, latencyMs, detail: `${entries} entries in ${this.#path}` };
  }

  async memoryUsage(): Promise<number> {
    return this.#opened("memoryUsage").store.statistics().fileBytes;
  }

  async serverInfo(): Promise<Record<string, string>> {
    const { store } = this.#opened("serverInfo");
    // Both in one turn: of a store that is closed meanwhile nothing can be asked.
    const statistics = store.statistics();
    const usedBytes = store.usedBytes();
    return {
      server: "lmdb",
      version: (await loadLmdb()).version.versionString,
      path: this.#path,
      entries: String(statistics.entries),
      mapSize: String(statistics.mapBytes),
      fileSize: String(statistics.fileBytes),
      usedSize: String(usedBytes),
      ...(this.#limits.maxBytes === Number.POSITIVE_INFINITY ? {} : { maxSize: String(this.#limits.maxBytes) }),
      lastTransaction: String(statistics.lastTransaction),
      readers: String(statistics.readers),
    };
  }

  connections(): ConnectionCounts {
    return { active: this.#session === undefined ? 0 : 1, idle: 0 };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    const { queue, sweeper, logger } = session;
    const stopped = sweeper.stop();
    const isOver = await queue.close();
    await stopped;
    if (isOver) {
      await closeStore(session);
      return;
    }
    const path = this.#path;
    logger.warn(
      { path },
      "another process does not end its transaction; the store stays open until the library is free",
    );
    void queue.ended
      .then(() => closeStore(session))
      .catch((error: unknown) => logger.warn({ error, path }, "the store was not closed"));
  }

  /** @throws ConnectionError where no store is and none can be made */
  async #directory(): Promise<string> {
    const path = this.#path;
    try {
      await mkdir(path, { recursive: true });
      await checkDataFile(path);
      if (!(await isStoreComplete(path))) requireRoomForStore(this.#limits.freeBytes());
      return await directoryIdentity(path);
    } catch (cause) {
      throw cannotOpen(path, cause);
    }
  }

  /** @throws ConnectionError */
  #openStore(library: LmdbLibrary, context: DriverContext): LmdbStore {
    const path = this.#path;
    let root: LmdbRootDatabase | undefined;
    try {
      root = library.open({
        path,
        // Otherwise a directory with a dot in its name would be taken for a file.
        noSubdir: false,
        maxDbs: 8,
        // A commit is to be on the disk when its promise resolves; overlapping syncs resolve before that.
        overlappingSync: false,
        // The commit queue decides what shares a transaction. And with it on, a failed commit also rejects a promise that
        // nobody outside the library can reach, which ends the process.
        eventTurnBatching: false,
        encoding: "binary",
        keyEncoding: "binary",
      });
      return new LmdbStore(root, context);
    } catch (cause) {
      // What is told is why it could not be opened, not how the rest of it then closes.
      root?.close().catch(() => {});
      throw cannotOpen(path, cause);
    }
  }

  #opened(operation: string): Session {
    if (this.#session === undefined) throw new ClosedError("the store is not open", { operation, backend: NAME });
    return this.#session;
  }
}

/** To be called when no transaction is under way. */
async function closeStore({ directory, queue, store }: Session): Promise<void> {
  forgetQueue(directory, queue);
  await store.close();
}

function cannotOpen(path: string, cause: unknown): StateError {
  if (cause instanceof StateError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new ConnectionError(`the directory ${path} cannot be opened as a store: ${message}`, {
    reason: "ERR_OPEN",
    backend: NAME,
    cause,
  });
}

/** null: gone or expired; undefined: there, its value was not asked for. */
function readScanned(store: LmdbStore, key: CanonicalKey, withValue: boolean): Buffer | null | undefined {
  try {
    if (withValue) return store.get(key);
    // One damaged record must not hide the keys of all others.
    return store.isLive(key) ? undefined : null;
  } catch (error) {
    throw placeError(error, "scan", key, NAME);
  }
}

export function createLmdbDriver(options: LmdbOptions): Driver {
  return new LmdbDriver(options);
}
