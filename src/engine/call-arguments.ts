import { types } from "node:util";
import { type Kind, OPERATION_NAMES, PutStep, type TransactionStep } from "../backends/request.js";
import { suggest } from "../config/suggest.js";
import { AbortedError, ClosedError, InvalidArgumentError, UnsupportedOperationError } from "../core/errors.js";
import { type CanonicalKey, canonicalKeyOfBytes, isBinaryKey, joinKey, keyByteLength, keyBytes } from "../core/key.js";
import { shortLivedList } from "../core/short-lived-list.js";
import { hasLostMemory, type Key, type Value } from "../core/value.js";
import { copyOfBytes } from "../core/value-memory.js";
import type { Mutation } from "./engine-contract.js";
import { MAX_TTL_MS } from "./option-limits.js";

/** See `core/key.ts` for why not `key.isWellFormed()`. */
const isWellFormed = String.prototype.isWellFormed;

export interface ArgumentLimits {
  readonly backend: string;
  readonly keyPrefixBytes: number;
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
  readonly defaultTtlMs: number;
  /** Whether the store can let entries expire. */
  readonly expires: boolean;
}

/** Errors show the beginning of a key, and this is more than that. */
const SHOWN_OF_LONG_KEYS = 128;

/** Options by which calls differ: those of every call, of one that may give a lifetime, of a put. */
export const CALL_OPTIONS: readonly string[] = ["timeoutMs", "signal"];
export const EXPIRING_OPTIONS: readonly string[] = [...CALL_OPTIONS, "ttlMs"];
export const PUT_OPTIONS: readonly string[] = ["ttlMs", ...CALL_OPTIONS, "metadata", "fence", "durability"];

/** Checks what callers hand in, for one view of the engine; all throw InvalidArgumentError and change nothing. */
export class CallArguments {
  readonly #limits: ArgumentLimits;
  readonly #namespace: string;
  /** Keys of so many UTF-16 units or fewer cannot be too long, however they encode. */
  readonly #safeKeyUnits: number;

  constructor(limits: ArgumentLimits, namespace: string) {
    this.#limits = limits;
    this.#namespace = namespace;
    const room = limits.maxKeyBytes - limits.keyPrefixBytes - Buffer.byteLength(namespace);
    this.#safeKeyUnits = Math.floor(room / 3);
  }

  key(operation: string, key: Key): CanonicalKey {
    if (typeof key === "string" && key.length > 0 && key.length <= this.#safeKeyUnits && isWellFormed.call(key)) {
      return this.#namespace === "" ? key : this.#namespace + key;
    }
    return this.#unusualKey(operation, key);
  }

  /** @returns what is to be stored or compared */
  value(operation: string, key: CanonicalKey, value: Value): Value {
    const max = this.#limits.maxValueBytes;
    if (typeof value === "string") {
      if (value.length * 3 > max && Buffer.byteLength(value) > max) {
        throw this.#tooLarge(operation, key, Buffer.byteLength(value));
      }
      if (!isWellFormed.call(value)) {
        throw this.#refuse(
          operation,
          key,
          "ERR_VALUE_ENCODING",
          "the value holds a lone surrogate, which UTF-8 cannot store",
        );
      }
      return value;
    }
    // A proxy of one is an instance of its class, and has no bytes.
    if (!types.isUint8Array(value)) {
      const message = `the value must be a string, Buffer or Uint8Array; got ${nameOfType(value)}`;
      throw this.#refuse(operation, key, "ERR_VALUE_TYPE", message);
    }
    if (value.length > max) throw this.#tooLarge(operation, key, value.length);
    if (isUnstable(value)) {
      throw this.#refuse(
        operation,
        key,
        "ERR_VALUE_UNSTABLE",
        "the value's memory is shared, detached or has shrunk; copy it first",
      );
    }
    // Its length may follow that of its memory, and so be another when it is written down.
    return (value.buffer as { readonly resizable?: boolean }).resizable === true ? copyOfBytes(value) : value;
  }

  /** A name that is not known would be a lifetime or a deadline that never comes. One that is undefined says nothing. */
  options(operation: string, key: CanonicalKey | undefined, options: object, known: readonly string[]): void {
    if (typeof options !== "object" || options === null) {
      const message = `the options must be an object; got ${nameOfType(options)}`;
      throw this.#refuse(operation, key, "ERR_CALL_OPTION", message);
    }
    for (const name in options) {
      if (known.includes(name) || (options as Record<string, unknown>)[name] === undefined) continue;
      const near = suggest(name, known);
      const hint = near === undefined ? `it has ${known.join(", ")}` : `did you mean ${near}?`;
      throw this.#refuse(
        operation,
        key,
        "ERR_CALL_OPTION",
        `${operation} has no option ${JSON.stringify(name)}; ${hint}`,
      );
    }
  }

  /** Milliseconds of life, 0 for never expires. */
  lifetime(operation: string, key: CanonicalKey | undefined, ttlMs: number | null | undefined): number {
    if (ttlMs === undefined) return this.#limits.defaultTtlMs;
    if (ttlMs === null) return 0;
    if (typeof ttlMs === "number" && Number.isSafeInteger(ttlMs) && ttlMs >= 1 && ttlMs <= MAX_TTL_MS) {
      if (this.#limits.expires) return ttlMs;
      throw new UnsupportedOperationError("this store does not let entries expire", {
        ...{ operation, backend: this.#limits.backend, reason: "ERR_UNSUPPORTED_OPTION" },
        ...(key === undefined ? {} : { key }),
      });
    }
    const got = typeof ttlMs === "number" ? String(ttlMs) : nameOfType(ttlMs);
    throw this.#refuse(
      operation,
      key,
      "ERR_TTL",
      `ttlMs must be whole milliseconds in 1..${MAX_TTL_MS} (ten years) or null; got ${got}`,
    );
  }

  /** As `lifetime`, of a key that has one already: there is no default. */
  newLifetime(operation: string, key: CanonicalKey, ttlMs: number | null): number {
    if (ttlMs !== undefined) return this.lifetime(operation, key, ttlMs);
    throw this.#refuse(operation, key, "ERR_TTL", "ttlMs must be whole milliseconds or null; got undefined");
  }

  timeout(operation: string, key: CanonicalKey | undefined, timeoutMs: number | undefined, fallback: number): number {
    if (timeoutMs === undefined) return fallback;
    // Deadlines are kept in wrapping 32-bit microseconds.
    if (typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs <= 1_800_000) return timeoutMs;
    const got = typeof timeoutMs === "number" ? String(timeoutMs) : nameOfType(timeoutMs);
    throw this.#refuse(
      operation,
      key,
      "ERR_TIMEOUT_OPTION",
      `timeoutMs must be in (0, 1800000] milliseconds; got ${got}`,
    );
  }

  /** @throws AbortedError if it has been aborted already */
  signal(operation: string, key: CanonicalKey | undefined, signal: AbortSignal | undefined): AbortSignal | undefined {
    if (signal === undefined) return undefined;
    const place = { operation, backend: this.#limits.backend, ...(key === undefined ? {} : { key }) };
    if (!(signal instanceof AbortSignal)) {
      throw new InvalidArgumentError(`signal must be an AbortSignal; got ${nameOfType(signal)}`, {
        ...place,
        reason: "ERR_SIGNAL",
      });
    }
    if (signal.aborted)
      throw new AbortedError("the caller's signal was aborted already", {
        ...place,
        reason: "ERR_ABORTED",
        cause: signal.reason,
      });
    return signal;
  }

  durability(key: CanonicalKey, given: string | undefined): void {
    if (given === undefined || given === "ack" || given === "replicated") return;
    throw this.#refuse("put", key, "ERR_CALL_OPTION", `durability must be "ack" or "replicated"; got ${shown(given)}`);
  }

  increment(key: CanonicalKey, by: number | bigint): bigint {
    if (typeof by === "bigint" ? by === BigInt.asIntN(64, by) : Number.isSafeInteger(by)) return BigInt(by);
    const got = typeof by === "number" || typeof by === "bigint" ? String(by) : nameOfType(by);
    throw this.#refuse("increment", key, "ERR_INCREMENT", `by must be a whole number within 64 bits; got ${got}`);
  }

  steps(mutations: Iterable<Mutation>): TransactionStep[] {
    const steps: TransactionStep[] = shortLivedList();
    for (const mutation of iterable("transaction", mutations, this.#limits.backend)) {
      if (typeof mutation !== "object" || mutation === null || !MUTATION_TYPES.includes(mutation.type)) {
        throw this.#refuse("transaction", undefined, "ERR_MUTATION", wrongMutation(mutation));
      }
      const key = this.key("transaction", mutation.key);
      this.options("transaction", key, mutation, MUTATION_FIELDS[mutation.type]);
      switch (mutation.type) {
        case "put": {
          const value = this.value("transaction", key, mutation.value);
          steps.push(new PutStep(key, value, this.lifetime("transaction", key, mutation.ttlMs)));
          break;
        }
        case "delete":
          steps.push({ type: "delete", key });
          break;
        case "expire":
          steps.push({ type: "expire", key, ttlMs: this.newLifetime("transaction", key, mutation.ttlMs) });
          break;
      }
    }
    return steps;
  }

  prefix(operation: string, prefix: string | undefined): string {
    if (prefix === undefined) return this.#namespace;
    if (typeof prefix === "string" && prefix.isWellFormed() && prefix.length <= 4096) return this.#namespace + prefix;
    throw this.#refuse(
      operation,
      undefined,
      "ERR_PREFIX",
      `the prefix must be a well-formed string; got ${nameOfType(prefix)}`,
    );
  }

  namespace(prefix: string): string {
    if (typeof prefix === "string" && prefix.length > 0 && prefix.length <= 1024 && prefix.isWellFormed()) {
      return this.#namespace + prefix;
    }
    const message = `a namespace must be a well-formed string of 1..1024 characters; got ${nameOfType(prefix)}`;
    throw this.#refuse("namespace", undefined, "ERR_NAMESPACE", message);
  }

  /** The key as callers of this view know it. */
  strip(key: CanonicalKey): string {
    if (this.#namespace === "") return key;
    if (key.startsWith(this.#namespace)) return key.slice(this.#namespace.length);
    return canonicalKeyOfBytes(keyBytes(key).subarray(Buffer.byteLength(this.#namespace)));
  }

  closed(kind: Kind | string, key?: CanonicalKey): ClosedError {
    const operation = typeof kind === "string" ? kind : OPERATION_NAMES[kind];
    const place = { operation, backend: this.#limits.backend, reason: "ERR_CLOSED" };
    return new ClosedError("the engine is closed", key === undefined ? place : { ...place, key });
  }

  #unusualKey(operation: string, key: Key): CanonicalKey {
    if (typeof key === "string") {
      const binary = binaryKeyFromScan(key);
      if (binary !== undefined) return this.#checkedKey(operation, binary);
      if (!key.isWellFormed()) {
        const message = "the key holds a lone surrogate, which UTF-8 cannot store";
        throw this.#refuse(operation, undefined, "ERR_KEY_ENCODING", message);
      }
      return this.#checkedKey(operation, key);
    }
    if (!types.isUint8Array(key)) {
      const message = `the key must be a string, Buffer or Uint8Array; got ${nameOfType(key)}`;
      throw this.#refuse(operation, undefined, "ERR_KEY_TYPE", message);
    }
    if (isUnstable(key)) {
      throw this.#refuse(
        operation,
        undefined,
        "ERR_KEY_TYPE",
        "the key's memory is shared, detached or has shrunk; copy it first",
      );
    }
    const longest = this.#limits.maxKeyBytes;
    if (key.length > longest) {
      const shown = canonicalKeyOfBytes(key.subarray(0, SHOWN_OF_LONG_KEYS));
      throw this.#tooLong(operation, shown, key.length + this.#limits.keyPrefixBytes);
    }
    return this.#checkedKey(operation, canonicalKeyOfBytes(key));
  }

  #checkedKey(operation: string, key: CanonicalKey): CanonicalKey {
    if (key.length === 0) throw this.#refuse(operation, undefined, "ERR_KEY_EMPTY", "the key is empty");
    const full = joinKey(this.#namespace, key);
    const bytes = keyByteLength(full) + this.#limits.keyPrefixBytes;
    if (bytes > this.#limits.maxKeyBytes) throw this.#tooLong(operation, full.slice(0, SHOWN_OF_LONG_KEYS), bytes);
    return full;
  }

  #tooLong(operation: string, key: CanonicalKey, bytes: number): InvalidArgumentError {
    const { backend, maxKeyBytes } = this.#limits;
    const message = `the key is ${bytes} bytes with its prefix; ${backend} allows ${maxKeyBytes}`;
    return this.#refuse(operation, key, "ERR_KEY_TOO_LONG", message);
  }

  #tooLarge(operation: string, key: CanonicalKey, bytes: number): InvalidArgumentError {
    const message = `the value has ${bytes} bytes; maxValueBytes is ${this.#limits.maxValueBytes}`;
    return this.#refuse(operation, key, "ERR_VALUE_TOO_LARGE", message);
  }

  #refuse(operation: string, key: CanonicalKey | undefined, reason: string, message: string): InvalidArgumentError {
    const place = { operation, backend: this.#limits.backend, reason };
    return new InvalidArgumentError(message, key === undefined ? place : { ...place, key });
  }
}

export function iterable<T>(operation: string, given: Iterable<T>, backend: string): Iterable<T> {
  if (typeof given === "object" && given !== null && typeof given[Symbol.iterator] === "function") return given;
  throw new InvalidArgumentError(`expected an array or another iterable; got ${nameOfType(given)}`, {
    operation,
    backend,
    reason: "ERR_BATCH_TYPE",
  });
}

/** Keys that are not UTF-8 come out of scans in canonical form; in that form they may come back. */
function binaryKeyFromScan(key: string): CanonicalKey | undefined {
  if (!isBinaryKey(key)) return undefined;
  for (let i = 1; i < key.length; i++) if (key.charCodeAt(i) > 0xff) return undefined;
  return canonicalKeyOfBytes(Buffer.from(key.slice(1), "latin1")) === key ? key : undefined;
}

function isUnstable(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof SharedArrayBuffer || hasLostMemory(bytes);
}

const MUTATION_TYPES: readonly string[] = ["put", "delete", "expire"];
const MUTATION_FIELDS: Readonly<Record<Mutation["type"], readonly string[]>> = {
  put: ["type", "key", "value", "ttlMs"],
  delete: ["type", "key"],
  expire: ["type", "key", "ttlMs"],
};

function wrongMutation(mutation: unknown): string {
  const wanted = 'a mutation is an object with a type of "put", "delete" or "expire"';
  if (typeof mutation !== "object" || mutation === null) return `${wanted}; got ${nameOfType(mutation)}`;
  const { type } = mutation as { type?: unknown };
  return `${wanted}; its type is ${shown(type)}`;
}

/** A short text as it is, of anything else its type: it may be a value, or have no text. */
function shown(given: unknown): string {
  return typeof given === "string" ? JSON.stringify(given.slice(0, 40)) : nameOfType(given);
}

export function nameOfType(given: unknown): string {
  if (given === null) return "null";
  if (typeof given !== "object") return typeof given;
  try {
    if (Array.isArray(given)) return "an array";
    const name: unknown = given.constructor?.name;
    return `an object (${typeof name === "string" ? name : "no class"})`;
  } catch {
    // A revoked proxy, or a getter that throws: there is nothing more to say of it.
    return "an object";
  }
}
