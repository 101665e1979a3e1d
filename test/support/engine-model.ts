import assert from "node:assert/strict";
import { type Engine, type Mutation, StateError } from "../../src/index.js";

/** One call on an engine; keys as the root view knows them, values as text. */
export type Call =
  | { readonly op: "get" | "contains" | "delete" | "ttl" | "getAndDelete"; readonly key: string }
  | {
      readonly op: "put" | "setIfNotExists";
      readonly key: string;
      readonly value: string;
      readonly ttlMs: number | undefined;
    }
  | {
      readonly op: "compareAndSwap";
      readonly key: string;
      readonly expected: string | null;
      readonly next: string | null;
      readonly ttlMs: number | undefined;
    }
  | { readonly op: "increment"; readonly key: string; readonly by: number }
  | { readonly op: "expire"; readonly key: string; readonly ttlMs: number | null }
  | { readonly op: "batchGet" | "batchDelete"; readonly keys: readonly string[] }
  | { readonly op: "batchPut"; readonly entries: readonly (readonly [string, string])[] }
  | { readonly op: "transaction"; readonly steps: readonly Step[] }
  | { readonly op: "clear" };

export type Step =
  | { readonly type: "put"; readonly key: string; readonly value: string }
  | { readonly type: "delete"; readonly key: string }
  | { readonly type: "expire"; readonly key: string; readonly ttlMs: number | null };

type SingleCall = Exclude<Call, { op: "batchGet" | "batchDelete" | "batchPut" | "transaction" | "clear" }>;

/** How a call ended. */
export type Ending = { readonly result: unknown } | { readonly error: unknown };

export interface View {
  readonly engine: Engine;
  /** What this view puts before every key. */
  readonly prefix: string;
}

export function issue(view: View, call: Call, keyAsBytes: boolean): Promise<Ending> {
  const key = (name: string): string | Uint8Array => {
    const own = name.slice(view.prefix.length);
    return keyAsBytes ? Buffer.from(own) : own;
  };
  return begin(view.engine, call, key).then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  );
}

function begin(engine: Engine, call: Call, key: (name: string) => string | Uint8Array): Promise<unknown> {
  const expiry = "ttlMs" in call && call.ttlMs !== undefined ? { ttlMs: call.ttlMs } : {};
  switch (call.op) {
    case "get":
    case "getAndDelete":
      return engine[call.op](key(call.key)).then((value) => (value === null ? null : value.toString()));
    case "contains":
    case "delete":
    case "ttl":
      return engine[call.op](key(call.key));
    case "put":
    case "setIfNotExists":
      return engine[call.op](key(call.key), call.value, expiry);
    case "compareAndSwap":
      return engine.compareAndSwap(key(call.key), call.expected, call.next, expiry);
    case "increment":
      return engine.increment(key(call.key), call.by);
    case "expire":
      return engine.expire(key(call.key), call.ttlMs);
    case "batchGet":
      return engine
        .batchGet(call.keys.map(key))
        .then((values) => values.map((value) => (value === null ? null : value.toString())));
    case "batchDelete":
      return engine.batchDelete(call.keys.map(key));
    case "batchPut":
      return engine.batchPut(call.entries.map(([name, value]) => [key(name), value] as const));
    case "transaction":
      return engine.transaction(call.steps.map((step) => ({ ...step, key: key(step.key) }) as Mutation));
    case "clear":
      return engine.clear();
  }
}

/** What may stand under one key: its value and, when it expires, its lifetime. */
interface Entry {
  readonly value: string;
  readonly ttlMs: number;
}
type State = Entry | null;

interface Effect {
  readonly state: State;
  readonly result: unknown;
}

/**
 * All states that an engine's store may be in, given what its calls answered, in the order of the calls. A call that
 * was answered must be explained by one of them; one that was not applied changes none; one whose outcome is unknown
 * may have happened or not.
 */
export class EngineModel {
  readonly #states = new Map<string, State[]>();

  explain(call: Call, ending: Ending, prefix: string): void {
    switch (call.op) {
      case "batchGet":
        this.#explainAll(
          call.keys.map((key) => ({ op: "get", key })),
          ending,
          (results, index) => (results as unknown[])[index],
        );
        break;
      case "batchPut":
        this.#explainAll(
          call.entries.map(([key, value]) => ({ op: "put", key, value, ttlMs: undefined })),
          ending,
          () => undefined,
        );
        break;
      case "batchDelete":
        this.#explainDeletes(call.keys, ending);
        break;
      case "transaction":
        this.#explainTransaction(call.steps, ending);
        break;
      case "clear":
        this.#explainDeletes(
          [...this.#states.keys()].filter((key) => key.startsWith(prefix)),
          ending,
        );
        break;
      default:
        this.#explainSingle(call, ending);
    }
  }

  #possible(key: string): State[] {
    return this.#states.get(key) ?? [null];
  }

  #explainAll(calls: readonly SingleCall[], ending: Ending, pick: (results: unknown, index: number) => unknown): void {
    for (const [index, call] of calls.entries()) {
      this.#explainSingle(call, "result" in ending ? { result: pick(ending.result, index) } : ending);
    }
  }

  /** Only the number of keys that existed is known. */
  #explainDeletes(keys: readonly string[], ending: Ending): void {
    let certain = 0;
    let possible = 0;
    for (const key of keys) {
      const states = this.#possible(key);
      if (states.every((state) => state !== null)) certain++;
      if (states.some((state) => state !== null)) possible++;
      if ("result" in ending || isUnknown(ending.error)) {
        this.#states.set(key, "result" in ending ? [null] : distinct([...states, null]));
      }
    }
    if ("result" in ending) {
      const removed = ending.result as number;
      assert.ok(removed >= certain && removed <= possible, `${removed} keys removed, not ${certain}..${possible}`);
    }
  }

  #explainTransaction(steps: readonly Step[], ending: Ending): void {
    for (const step of steps) {
      const call: SingleCall =
        step.type === "put"
          ? { op: "put", key: step.key, value: step.value, ttlMs: undefined }
          : step.type === "delete"
            ? { op: "delete", key: step.key }
            : { op: "expire", key: step.key, ttlMs: step.ttlMs };
      const states = this.#possible(step.key);
      const done = states.map((state) => effectOf(call, state).state);
      if ("result" in ending) this.#states.set(step.key, distinct(done));
      else if (isUnknown(ending.error)) this.#states.set(step.key, distinct([...states, ...done]));
    }
  }

  #explainSingle(call: SingleCall, ending: Ending): void {
    const states = this.#possible(call.key);
    const answer = "result" in ending ? ending.result : refusalOf(ending.error);
    if (answer === undefined && "error" in ending) {
      if (isUnknown(ending.error)) {
        const isRead = call.op === "get" || call.op === "contains" || call.op === "ttl";
        assert.ok(!isRead, `${call.op} changes nothing, so its outcome is never unknown`);
        const done = states.map((state) => effectOf(call, state).state);
        this.#states.set(call.key, distinct([...states, ...done]));
      }
      return;
    }
    const explained = states.map((state) => effectOf(call, state)).filter((effect) => agrees(effect.result, answer));
    assert.ok(
      explained.length > 0,
      `${JSON.stringify(call)} answered ${show(answer)}; the key may hold ${states.map(show).join(" or ")}`,
    );
    this.#states.set(call.key, distinct(explained.map((effect) => effect.state)));
  }
}

function effectOf(call: SingleCall, state: State): Effect {
  switch (call.op) {
    case "get":
      return { state, result: state?.value ?? null };
    case "contains":
      return { state, result: state !== null };
    case "ttl":
      return { state, result: state === null ? null : { atMost: state.ttlMs } };
    case "delete":
      return { state: null, result: state !== null };
    case "getAndDelete":
      return { state: null, result: state?.value ?? null };
    case "put":
      return { state: { value: call.value, ttlMs: call.ttlMs ?? Number.POSITIVE_INFINITY }, result: undefined };
    case "setIfNotExists":
      if (state !== null) return { state, result: false };
      return { state: { value: call.value, ttlMs: call.ttlMs ?? Number.POSITIVE_INFINITY }, result: true };
    case "expire":
      if (state === null) return { state, result: false };
      return { state: { value: state.value, ttlMs: call.ttlMs ?? Number.POSITIVE_INFINITY }, result: true };
    case "compareAndSwap":
      if ((state?.value ?? null) !== call.expected) return { state, result: false };
      if (call.next === null) return { state: null, result: true };
      return { state: { value: call.next, ttlMs: call.ttlMs ?? Number.POSITIVE_INFINITY }, result: true };
    case "increment": {
      const text = state?.value ?? "0";
      if (!/^(0|-?[1-9]\d{0,17})$/.test(text)) return { state, result: "ERR_NOT_AN_INTEGER" };
      const sum = BigInt(text) + BigInt(call.by);
      return { state: { value: String(sum), ttlMs: state?.ttlMs ?? Number.POSITIVE_INFINITY }, result: sum };
    }
  }
}

/** The answer of a store that looked and said no, as opposed to a failure on the way. */
function refusalOf(error: unknown): string | undefined {
  return error instanceof StateError && error.reason === "ERR_NOT_AN_INTEGER" ? error.reason : undefined;
}

function isUnknown(error: unknown): boolean {
  if (!(error instanceof StateError)) throw error;
  return error.outcome === "unknown";
}

function agrees(expected: unknown, answer: unknown): boolean {
  if (typeof expected === "object" && expected !== null) {
    const { atMost } = expected as { atMost: number };
    if (atMost === Number.POSITIVE_INFINITY) return answer === atMost;
    return typeof answer === "number" && answer > 0 && answer <= atMost;
  }
  return expected === answer;
}

function distinct(states: readonly State[]): State[] {
  const seen = new Map<string, State>();
  for (const state of states) seen.set(state === null ? "" : `${state.ttlMs}:${state.value}`, state);
  return [...seen.values()];
}

function show(given: unknown): string {
  return JSON.stringify(given, (_, value) => (typeof value === "bigint" ? `${value}n` : value)) ?? "undefined";
}
