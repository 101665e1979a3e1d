import { type CompareAndSwapDetail, Kind, type Request, type TransactionStep } from "../../src/backends/request.js";
import { BackendError, type StateError } from "../../src/core/errors.js";

export interface Stored {
  readonly text: string;
  readonly expires: boolean;
}

export type Answer = { readonly result: unknown } | { readonly error: StateError; readonly isShared?: boolean };

/** The data of the simulated server, and what was done with it: more than any client can see. */
export class SimulatedStore {
  readonly data = new Map<string, Stored>();
  /** How often each write was carried out. */
  readonly executions = new Map<Request, number>();

  execute(request: Request): Answer {
    if (!isReading(request.kind)) this.executions.set(request, (this.executions.get(request) ?? 0) + 1);
    const { key } = request;
    const stored = this.data.get(key);
    switch (request.kind) {
      case Kind.get:
        return { result: bytesOf(stored) };
      case Kind.contains:
        return { result: stored !== undefined };
      case Kind.ttl:
        return { result: stored === undefined ? null : stored.expires ? 1_000_000 : Number.POSITIVE_INFINITY };
      case Kind.put:
        this.#set(key, textOf(request.value), request.ttlMs);
        return { result: undefined };
      case Kind.delete:
        return { result: this.data.delete(key) };
      case Kind.getAndDelete:
        this.data.delete(key);
        return { result: bytesOf(stored) };
      case Kind.setIfNotExists:
        if (stored !== undefined) return { result: false };
        this.#set(key, textOf(request.value), request.ttlMs);
        return { result: true };
      case Kind.compareAndSwap: {
        const { expected, next } = request.detail as CompareAndSwapDetail;
        if ((stored?.text ?? null) !== expected) return { result: false };
        if (next === null) this.data.delete(key);
        else this.#set(key, textOf(next), request.ttlMs);
        return { result: true };
      }
      case Kind.increment:
        return this.#increment(request, stored);
      case Kind.expire:
        if (stored === undefined) return { result: false };
        this.#set(key, stored.text, request.ttlMs);
        return { result: true };
      case Kind.transaction:
        for (const step of request.detail as readonly TransactionStep[]) this.#step(step);
        return { result: undefined };
    }
  }

  #increment(request: Request, stored: Stored | undefined): Answer {
    const text = stored?.text ?? "0";
    if (!/^-?\d+$/.test(text)) {
      return { error: new BackendError("not a whole number", { reason: "ERR_NOT_AN_INTEGER" }) };
    }
    const sum = BigInt(text) + (request.detail as bigint);
    this.data.set(request.key, { text: String(sum), expires: stored?.expires === true });
    return { result: sum };
  }

  #step(step: TransactionStep): void {
    const stored = this.data.get(step.key);
    if (step.type === "delete") this.data.delete(step.key);
    else if (step.type === "put") this.#set(step.key, textOf(step.value), step.ttlMs);
    else if (stored !== undefined) this.#set(step.key, stored.text, step.ttlMs);
  }

  #set(key: string, text: string, ttlMs: number): void {
    this.data.set(key, { text, expires: ttlMs > 0 });
  }
}

export function isReading(kind: Kind): boolean {
  return kind === Kind.get || kind === Kind.contains || kind === Kind.ttl;
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : Buffer.from(value as Uint8Array).toString();
}

function bytesOf(stored: Stored | undefined): Buffer | null {
  return stored === undefined ? null : Buffer.from(stored.text);
}
