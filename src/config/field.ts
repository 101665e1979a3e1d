import { ConfigError } from "../core/errors.js";

/**
 * One row of an option table. It is the only place where type, default, bounds and meaning of an option stand:
 * validation, TypeScript types, documentation and the masked dump are all read from it.
 */
export interface Field<Value, Input = Value> {
  /** Never set: carries the type that callers may pass. */
  readonly input?: Input;
  readonly fallback: Value;
  /** As documentation prints it, such as `integer` or `'ack' | 'replicated'`. */
  readonly type: string;
  /** Bounds in words, empty when the type says it all. */
  readonly limits: string;
  readonly unit: string;
  readonly doc: string;
  /** True: an object that only code can give; no variable stands for it. */
  readonly codeOnly?: boolean;
  /** The rows below this one, when it is a group. */
  readonly fields?: Fields;
  /** @throws ConfigError that names `path`, what was received and what is allowed */
  read(received: unknown, path: string): Value;
  /** The value as logs and dumps may show it. */
  show(value: Value): unknown;
}

export type Fields = { readonly [name: string]: Field<unknown, unknown> };

export type ValueOf<F> = F extends Field<infer Value, unknown> ? Value : never;
export type InputOf<F> = F extends { readonly input?: infer Input } ? Exclude<Input, undefined> : never;

/** What a table yields: every option present, nothing to change. */
export type Settings<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };
/** What a caller may pass for a table: any part of it. */
export type SettingsInput<F extends Fields> = { readonly [K in keyof F]?: InputOf<F[K]> | undefined };

export const MASK = "***";

export function refuse(path: string, message: string, cause?: unknown): never {
  const text = path === "" ? message : `${path}: ${message}`;
  throw new ConfigError(text, cause === undefined ? { reason: "ERR_CONFIG" } : { reason: "ERR_CONFIG", cause });
}

/** A received value in a few words; objects and long texts are never spelled out. */
export function shown(received: unknown): string {
  if (typeof received === "string") {
    return JSON.stringify(received.length > 40 ? `${received.slice(0, 40)}…` : received);
  }
  if (typeof received === "bigint") return `${received}n`;
  if (typeof received === "function" || typeof received === "symbol") return `a ${typeof received}`;
  if (Array.isArray(received)) return "an array";
  if (typeof received === "object" && received !== null) return "an object";
  return String(received);
}

export function pathOf(parent: string, name: string): string {
  return parent === "" ? name : `${parent}.${name}`;
}

export function isPlainObject(received: unknown): received is Readonly<Record<string, unknown>> {
  if (typeof received !== "object" || received === null) return false;
  const prototype: unknown = Object.getPrototypeOf(received);
  // Objects of another realm (a vm context, a test runner) have a prototype whose own prototype is null.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The first of these methods that a received value does not have. */
export function missingMethod(received: unknown, methods: readonly string[]): string | undefined {
  const object = (typeof received === "object" || typeof received === "function") && received !== null ? received : {};
  return methods.find((name) => typeof Reflect.get(object, name) !== "function");
}
