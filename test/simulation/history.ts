import { Kind, OPERATION_NAMES, type Request, type TransactionStep } from "../../src/backends/request.js";
import type { StateError } from "../../src/core/errors.js";
import { textOf } from "./simulated-store.js";

/** One call of a client and what came of it. Times are virtual milliseconds. */
export interface Call {
  readonly client: number;
  readonly request: Request;
  /** Key and arguments, for people; a request that was given up lets go of them. */
  readonly given: string;
  readonly calledMs: number;
  readonly deadlineMs: number;
  settledMs: number;
  /** How often it was answered. */
  answers: number;
  outcome: "pending" | "ok" | "not-applied" | "unknown";
  result: unknown;
  failure: string;
}

export function succeeded(call: Call, result: unknown, nowMs: number): void {
  call.answers++;
  call.settledMs = nowMs;
  call.outcome = "ok";
  call.result = Buffer.isBuffer(result) ? result.toString() : result;
}

export function failed(call: Call, error: StateError, nowMs: number): void {
  call.answers++;
  call.settledMs = nowMs;
  call.outcome = error.outcome;
  call.failure = `${error.code} ${error.reason ?? ""}`.trim();
}

/** To be asked for when the call is made. */
export function givenTo(request: Request): string {
  return request.kind === Kind.transaction
    ? (request.detail as readonly TransactionStep[]).map((step) => `${step.type} ${step.key}`).join(", ")
    : [request.key, detailOf(request)].filter((part) => part !== "").join(", ");
}

/** For people. */
export function describeCall(call: Call): string {
  const { request, given } = call;
  const name = OPERATION_NAMES[request.kind];
  const came = call.outcome === "ok" ? String(call.result) : `${call.outcome} ${call.failure}`;
  const span = `${call.calledMs.toFixed(2)}..${call.settledMs === 0 ? "" : call.settledMs.toFixed(2)}`;
  return `${span} client ${call.client} ${name}(${given}) = ${came}`;
}

function detailOf(request: Request): string {
  if (request.value !== undefined && request.kind !== Kind.compareAndSwap) return textOf(request.value);
  if (typeof request.detail === "bigint") return String(request.detail);
  if (request.kind !== Kind.compareAndSwap) return "";
  const { expected, next } = request.detail as { expected: unknown; next: unknown };
  return `${String(expected)} -> ${String(next)}`;
}
