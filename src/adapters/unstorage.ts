import { InvalidArgumentError } from "../core/errors.js";
import type { Key, Value } from "../core/value.js";
import type { Engine } from "../engine/engine-contract.js";
import type { EngineOptions } from "../engine/options.js";
import { EngineSource } from "./engine-source.js";

export interface MillraceDriverOptions {
  /** An engine, which stays the caller's to close, or what `createEngine` takes. Default: its defaults. */
  readonly engine?: Engine | EngineOptions | string | undefined;
  /** Stands before every key, with a colon. */
  readonly base?: string | undefined;
  /** Seconds that items live; default: the engine's `defaultTtlMs`. A call's own `ttl` goes before it. */
  readonly ttl?: number | undefined;
}

/** What unstorage passes on from the caller of a storage; only `ttl`, in seconds, means something here. */
export interface ItemOptions {
  readonly ttl?: number | undefined;
  readonly [option: string]: unknown;
}

export interface MillraceDriver {
  readonly name: string;
  readonly options: MillraceDriverOptions;
  readonly getInstance: () => Promise<Engine>;
  readonly hasItem: (key: string) => Promise<boolean>;
  readonly getItem: (key: string) => Promise<string | null>;
  readonly getItems: (items: readonly { readonly key: string }[]) => Promise<{ key: string; value: string | null }[]>;
  readonly getItemRaw: (key: string) => Promise<Buffer | null>;
  readonly setItem: (key: string, value: string, options?: ItemOptions) => Promise<void>;
  readonly setItems: (
    items: readonly { readonly key: string; readonly value: string; readonly options?: ItemOptions }[],
    common?: ItemOptions,
  ) => Promise<void>;
  readonly setItemRaw: (key: string, value: unknown, options?: ItemOptions) => Promise<void>;
  readonly removeItem: (key: string) => Promise<void>;
  readonly getMeta: (key: string) => Promise<{ ttl?: number } | null>;
  readonly getKeys: (base?: string) => Promise<string[]>;
  readonly clear: (base?: string) => Promise<void>;
  readonly dispose: () => Promise<void>;
}

/**
 * A driver for unstorage: `createStorage({ driver: millraceDriver({ engine: "redis://…" }) })`. Items that are read and
 * written together share batches; `getItems` is one call. Raw items are bytes.
 */
export function millraceDriver(options: MillraceDriverOptions = {}): MillraceDriver {
  refuseUnknown(options);
  const source = new EngineSource(options.engine ?? {});
  const base = (options.base ?? "").replace(/:+$/, "");
  let view: { readonly of: Engine; readonly engine: Engine } | undefined;

  const opened = async (): Promise<Engine> => {
    const engine = await source.engine();
    if (view?.of !== engine) view = { of: engine, engine: base === "" ? engine : engine.namespace(`${base}:`) };
    return view.engine;
  };
  const put = async (key: Key, value: Value, ttlSeconds: number | undefined): Promise<void> => {
    const engine = await opened();
    const seconds = ttlSeconds ?? options.ttl;
    // unstorage's own drivers take a ttl of 0 for none.
    return engine.put(
      key,
      value,
      seconds === undefined || seconds === 0 ? undefined : { ttlMs: milliseconds(seconds) },
    );
  };

  // unstorage calls these detached from the object.
  return {
    name: "millrace",
    options,
    getInstance: opened,
    hasItem: async (key) => (await opened()).contains(key),
    getItem: async (key) => text(await (await opened()).get(key)),
    async getItems(items) {
      const values = await (await opened()).batchGet(items.map(({ key }) => key));
      return items.map(({ key }, index) => ({ key, value: text(values[index] ?? null) }));
    },
    getItemRaw: async (key) => (await opened()).get(key),
    setItem: (key, value, itemOptions) => put(key, value, itemOptions?.ttl),
    async setItems(items, common) {
      await Promise.all(items.map((item) => put(item.key, item.value, item.options?.ttl ?? common?.ttl)));
    },
    setItemRaw: async (key, value, itemOptions) => put(key, rawBytes(key, value), itemOptions?.ttl),
    async removeItem(key) {
      await (await opened()).delete(key);
    },
    async getMeta(key) {
      const left = await (await opened()).ttl(key);
      if (left === null) return null;
      return left === Number.POSITIVE_INFINITY ? {} : { ttl: left / 1000 };
    },
    getKeys: async (prefix) => (await opened()).listKeys(prefix),
    async clear(prefix) {
      await (await opened()).clear(prefix === "" ? undefined : prefix);
    },
    dispose: () => source.close(),
  };
}

/** A mistyped `engine` would be a store of its own on this disk. Tools that mount drivers pass on their name. */
function refuseUnknown(options: MillraceDriverOptions): void {
  const known = ["engine", "base", "ttl"];
  const unknown = Object.keys(options).find((name) => name !== "driver" && !known.includes(name));
  if (unknown === undefined) return;
  const message = `millraceDriver has no option ${JSON.stringify(unknown)}; it has ${known.join(", ")}`;
  throw new InvalidArgumentError(message, { reason: "ERR_CALL_OPTION" });
}

function text(value: Buffer | null): string | null {
  return value === null ? null : value.toString();
}

function milliseconds(seconds: number): number {
  return typeof seconds === "number" ? Math.ceil(seconds * 1000) : seconds;
}

function rawBytes(key: string, value: unknown): Value {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  const place = { operation: "setItemRaw", key };
  try {
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  } catch (cause) {
    const message = "the raw item's memory is detached; copy it first";
    throw new InvalidArgumentError(message, { ...place, reason: "ERR_VALUE_UNSTABLE", cause });
  }
  const message = `a raw item must be text or bytes; got ${typeof value}`;
  throw new InvalidArgumentError(message, { ...place, reason: "ERR_VALUE_TYPE" });
}

// What resolves drivers by the name of their module asks for the default export.
export default millraceDriver;
