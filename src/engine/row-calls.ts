import type { Driver } from "../backends/contract.js";
import type { PutDetail } from "../backends/request.js";
import type { EntryWithMetadata, Metadata, TableStats } from "../backends/row-store.js";
import { InvalidArgumentError, UnsupportedOperationError } from "../core/errors.js";
import type { CanonicalKey } from "../core/key.js";
import type { Key, Value } from "../core/value.js";
import { type CallArguments, nameOfType } from "./call-arguments.js";
import { EndableSource } from "./endable-source.js";
import type { ExpiryOptions, FindOptions, FoundEntry, FoundValue, PutOptions } from "./engine-contract.js";
import type { EngineCore } from "./engine-core.js";

const MAX_METADATA_BYTES = 1 << 20;
const FIND_OPTIONS: readonly string[] = ["prefix", "limit"];
const LOAD_OPTIONS: readonly string[] = ["ttlMs"];

/** What an engine offers beyond keys and values where the store does: metadata, maintenance, bulk loads, backups. */
export abstract class RowCalls {
  readonly #core: EngineCore;
  readonly #arguments: CallArguments;

  constructor(core: EngineCore, callArguments: CallArguments) {
    this.#core = core;
    this.#arguments = callArguments;
  }

  async getWithMetadata(key: Key): Promise<FoundValue | null> {
    const canonical = this.#arguments.key("getWithMetadata", key);
    const access = this.#offered("getWithMetadata", ({ metadata }) => metadata, canonical);
    const read = async (): Promise<FoundValue | null> => {
      await this.#core.pipeline.flush();
      const found = await access.readWithMetadata(canonical);
      return found === null ? null : { value: found.value, metadata: found.metadata };
    };
    return this.#core.track(read());
  }

  async *findByMetadata(containment: Metadata, options: FindOptions = {}): AsyncGenerator<FoundEntry> {
    const operation = "findByMetadata";
    this.#arguments.options(operation, undefined, options, FIND_OPTIONS);
    const text = metadataText(operation, undefined, containment, this.#core.driver.name);
    const scope = this.#arguments.prefix(operation, options.prefix);
    const limit = options.limit ?? Number.POSITIVE_INFINITY;
    if (!(limit === Number.POSITIVE_INFINITY || (Number.isSafeInteger(limit) && limit >= 1))) {
      throw new InvalidArgumentError(`limit must be a whole number from 1 on; got ${String(limit)}`, {
        operation,
        backend: this.#core.driver.name,
        reason: "ERR_LIMIT",
      });
    }
    const access = this.#offered(operation, ({ metadata }) => metadata);
    await this.#core.pipeline.flush();
    for await (const page of access.findByMetadata(text, scope, limit)) {
      for (const entry of page) yield this.#shown(entry);
      if (this.#core.isClosed) throw this.#arguments.closed(operation);
    }
  }

  async cleanupExpired(): Promise<number> {
    return this.#core.track(this.#offered("cleanupExpired", ({ maintenance }) => maintenance).cleanupExpired());
  }

  async vacuum(): Promise<void> {
    return this.#core.track(this.#offered("vacuum", ({ maintenance }) => maintenance).vacuum());
  }

  async tableStats(): Promise<TableStats> {
    return this.#core.track(this.#offered("tableStats", ({ maintenance }) => maintenance).tableStats());
  }

  async bulkLoad(
    entries: Iterable<readonly [Key, Value]> | AsyncIterable<readonly [Key, Value]>,
    options: ExpiryOptions = {},
  ): Promise<number> {
    const operation = "bulkLoad";
    this.#arguments.options(operation, undefined, options, LOAD_OPTIONS);
    const ttlMs = this.#arguments.lifetime(operation, undefined, options.ttlMs);
    const bulk = this.#offered(operation, ({ bulk }) => bulk);
    if (!isIterable(entries)) {
      throw new InvalidArgumentError(`the entries must be iterable; got ${nameOfType(entries)}`, {
        operation,
        backend: this.#core.driver.name,
        reason: "ERR_BATCH_TYPE",
      });
    }
    const callArguments = this.#arguments;
    const backend = this.#core.driver.name;
    const source = new EndableSource<unknown>(entries, () => callArguments.closed(operation));
    /** Nothing of the load is in the store before. */
    let givenAtMs: number | undefined;
    async function* checked() {
      for await (const entry of source) {
        if (!Array.isArray(entry)) throw notAnEntry(entry, backend);
        const [key, value] = entry as unknown as readonly [Key, Value];
        const canonical = callArguments.key(operation, key);
        yield { key: canonical, value: callArguments.value(operation, canonical, value), ttlMs };
      }
      givenAtMs = performance.now();
    }
    const load = async (): Promise<number> => {
      await this.#core.pipeline.flush();
      try {
        return await bulk.bulkLoad(checked());
      } finally {
        // The store may have failed while an entry was owed.
        source.end();
        // Reads meanwhile may have been answered from before it.
        this.#core.tier?.dropAll();
        if (ttlMs > 0 && givenAtMs !== undefined) this.#core.tier?.loaded(ttlMs, performance.now() - givenAtMs);
      }
    };
    return this.#core.track(load(), () => source.hurry());
  }

  async backup(path: string): Promise<void> {
    const { driver, pipeline } = this.#core;
    if (typeof path !== "string" || path === "" || path.includes("\0") || !path.isWellFormed()) {
      const message = `the path must be that of a directory; got ${nameOfType(path)}`;
      throw new InvalidArgumentError(message, { operation: "backup", backend: driver.name, reason: "ERR_PATH" });
    }
    const copy = this.#offered("backup", () => driver.backup?.bind(driver));
    const write = async (): Promise<void> => {
      await pipeline.flush();
      await copy(path);
    };
    return this.#core.track(write());
  }

  #shown({ key, value, metadata }: EntryWithMetadata): FoundEntry {
    return { key: this.#arguments.strip(key), value, metadata };
  }

  #offered<T>(operation: string, partOf: (driver: Driver) => T | undefined, key?: CanonicalKey): T {
    if (this.#core.isClosed) throw this.#arguments.closed(operation, key);
    const part = partOf(this.#core.driver);
    if (part === undefined) {
      const place = { operation, backend: this.#core.driver.name, reason: "ERR_UNSUPPORTED_OPERATION" };
      throw new UnsupportedOperationError(
        "this store does not offer it",
        key === undefined ? place : { ...place, key },
      );
    }
    this.#core.refuseWhileCircuitIsOpen(operation, key);
    return part;
  }
}

function isIterable(entries: unknown): boolean {
  if (typeof entries !== "object" || entries === null) return false;
  return Symbol.asyncIterator in entries || Symbol.iterator in entries;
}

function notAnEntry(entry: unknown, backend: string): InvalidArgumentError {
  return new InvalidArgumentError(`an entry must be [key, value]; got ${nameOfType(entry)}`, {
    ...{ operation: "bulkLoad", backend, reason: "ERR_BATCH_ENTRY" },
  });
}

/** What a put carries besides value and lifetime; undefined: nothing. */
export function putDetail(key: CanonicalKey, { metadata }: PutOptions, backend: string): PutDetail | undefined {
  return metadata === undefined ? undefined : { metadata: metadataText("put", key, metadata, backend) };
}

/**
 * Metadata as JSON text.
 * @throws InvalidArgumentError (`ERR_METADATA`) unless it is a plain object that JSON can express
 */
export function metadataText(
  operation: string,
  key: CanonicalKey | undefined,
  metadata: unknown,
  backend: string,
): string {
  const refuse = (message: string, cause?: unknown): InvalidArgumentError =>
    new InvalidArgumentError(message, {
      operation,
      backend,
      reason: "ERR_METADATA",
      ...(key === undefined ? {} : { key }),
      ...(cause === undefined ? {} : { cause }),
    });
  const prototype = typeof metadata === "object" && metadata !== null ? Object.getPrototypeOf(metadata) : undefined;
  if (prototype !== Object.prototype && prototype !== null) {
    throw refuse(`metadata must be a plain object; got ${nameOfType(metadata)}`);
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(metadata);
  } catch (cause) {
    throw refuse("metadata must be something that JSON can express", cause);
  }
  // `toJSON` may have made something else of it.
  if (text?.startsWith("{") !== true) throw refuse("metadata must be an object in JSON, too");
  if (Buffer.byteLength(text) > MAX_METADATA_BYTES) throw refuse(`metadata is longer than ${MAX_METADATA_BYTES} bytes`);
  if (/(?:^|[^\\])(?:\\\\)*\\u(?:0000|d[89a-f])/i.test(text)) {
    throw refuse("metadata must hold neither NUL characters nor lone surrogates");
  }
  return text;
}
