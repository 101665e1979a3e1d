import { EventEmitter } from "node:events";
import type { CallOptions, ExpiryOptions } from "../core/call-options.js";
import { type EngineInput, EngineSource } from "./engine-source.js";

export type { EngineInput } from "./engine-source.js";

const MAX_TTL_MS = 315_360_000_000;

export interface KeyvEntry {
  readonly key: string;
  readonly value: string;
  readonly ttl?: number | null | undefined;
}

/**
 * A storage adapter for Keyv 5: `new Keyv({ store: new KeyvStore("redis://…") })`. Calls that are under way together
 * share batches, Keyv's many-key calls included.
 *
 * Keyv writes the namespace before the keys and sets it here; `clear` and `iterator` keep to it. With `useKeyPrefix: false`
 * Keyv leaves that to the adapter. Two Keyvs that share one adapter overwrite each other's namespace, so each is given an
 * adapter of its own, which may share one engine.
 */
export class KeyvStore extends EventEmitter {
  /** Keyv 5 iterates only stores that say one of the dialects it knows. */
  readonly opts: Record<string, unknown> = { dialect: "redis", url: "" };
  namespace: string | undefined;
  readonly #source: EngineSource;

  constructor(engine: EngineInput) {
    super();
    this.#source = new EngineSource(engine);
  }

  get(key: string, options?: CallOptions): Promise<string | undefined>;
  /** What Keyv's type of adapters asks for; what comes is text, of which Keyv makes its values. */
  get<Stored>(key: string): Promise<Stored | undefined>;
  async get(key: string, options?: CallOptions): Promise<string | undefined> {
    const stored = this.#key(key);
    const engine = await this.#source.engine();
    // Keyv may hand on options of its own.
    const { timeoutMs, signal } = options ?? {};
    return text(
      await engine.get(stored, {
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(signal === undefined ? {} : { signal }),
      }),
    );
  }

  getMany(keys: readonly string[]): Promise<(string | undefined)[]>;
  /** As with `get`. */
  getMany<Stored>(keys: readonly string[]): Promise<(Stored | undefined)[]>;
  async getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    const stored = keys.map((key) => this.#key(key));
    const engine = await this.#source.engine();
    return (await engine.batchGet(stored)).map(text);
  }

  /** @param ttl milliseconds; absent or null: the engine's `defaultTtlMs` */
  async set(key: string, value: string, ttl?: number | null): Promise<boolean> {
    const stored = this.#key(key);
    const engine = await this.#source.engine();
    if (typeof ttl === "number" && ttl <= 0) await engine.delete(stored);
    else await engine.put(stored, value, lifetime(ttl ?? undefined));
    return true;
  }

  /** Resolves to what became of each entry, which `Keyv.setMany` gives to its caller; Keyv's type of adapters says void. */
  async setMany(entries: readonly KeyvEntry[]): Promise<void> {
    const stored: unknown = await Promise.all(entries.map(({ key, value, ttl }) => this.set(key, value, ttl)));
    return stored as undefined;
  }

  async delete(key: string): Promise<boolean> {
    const stored = this.#key(key);
    const engine = await this.#source.engine();
    return engine.delete(stored);
  }

  /** Whether all of them existed. */
  async deleteMany(keys: readonly string[]): Promise<boolean> {
    const stored = keys.map((key) => this.#key(key));
    const engine = await this.#source.engine();
    return (await engine.batchDelete(stored)) === keys.length;
  }

  async has(key: string): Promise<boolean> {
    const stored = this.#key(key);
    const engine = await this.#source.engine();
    return engine.contains(stored);
  }

  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    const stored = keys.map((key) => this.#key(key));
    const engine = await this.#source.engine();
    return Promise.all(stored.map((key) => engine.contains(key)));
  }

  async clear(): Promise<void> {
    const scope = this.#scope(this.namespace);
    const engine = await this.#source.engine();
    await engine.clear(scope);
  }

  /** Keys come with their namespace, as Keyv expects them. */
  async *iterator(namespace?: string): AsyncGenerator<[string, string], void> {
    const engine = await this.#source.engine();
    for await (const [key, value] of engine.entries(this.#scope(namespace))) yield [key, value.toString()];
  }

  /** Closes the engine if the adapter opened it. */
  disconnect(): Promise<void> {
    return this.#source.close();
  }

  /** As Keyv does it: a key that begins with its namespace has it already. */
  #key(key: string): string {
    const scope = this.#scope(this.namespace);
    return scope === undefined || typeof key !== "string" || key.startsWith(scope) ? key : scope + key;
  }

  #scope(namespace: string | undefined): string | undefined {
    return namespace === undefined || namespace === "" ? undefined : `${namespace}:`;
  }
}

function text(value: Buffer | null): string | undefined {
  return value === null ? undefined : value.toString();
}

function lifetime(ttl: number | undefined): ExpiryOptions | undefined {
  if (ttl === undefined) return undefined;
  return { ttlMs: ttl > MAX_TTL_MS ? null : Math.ceil(ttl) };
}
