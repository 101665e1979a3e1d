import { type CompareAndSwapDetail, Kind, type Request, type TransactionStep } from "../../src/backends/request.js";
import type { Call } from "./history.js";
import { isReading, type Stored, textOf } from "./simulated-store.js";

type State = Stored | null;

/** Infinity stands for an unlimited lifetime, "some" for a limited one. */
interface Effect {
  readonly state: State;
  readonly result: unknown;
}

/** A client's calls on one key, in the order in which it made them, without those that were not applied. */
interface Lane {
  readonly calls: readonly Call[];
  /** The earliest time at which a call from this one on was acknowledged. */
  readonly firstAcknowledgedMs: readonly number[];
}

/** Sent again after an unknown outcome; a delete, where it takes the place of a put before it. */
const REPEATED: ReadonlySet<Kind> = new Set([Kind.put, Kind.expire, Kind.delete]);

/**
 * Whether the calls on one key can be put into one order that explains every answer and what the store holds in the
 * end, such that each client's calls stand in the order in which it made them, and no call stands before one that was
 * acknowledged before it was made. A call of unknown outcome may have been carried out in its place, at any time after
 * it was made, or not at all; one that was not applied has no place. A put or a change of lifetime that was sent again
 * after an unknown outcome may have taken effect twice, with another client's calls in between.
 *
 * The search of Wing and Gong (Testing and Verifying Concurrent Objects, 1993) with the memory of Lowe (Testing for
 * Linearizability, 2017); the clients' own orders leave only the merging of their lanes to be searched.
 */
export function isLinearizable(key: string, calls: readonly Call[], finalState: State): boolean {
  const clients = [...new Set(calls.map((call) => call.client))];
  const lanes = clients.map((client) => laneOf(calls.filter((call) => call.client === client)));
  const seen = new Set<string>();
  const search = (positions: readonly number[], state: State): boolean => {
    if (positions.every((position, lane) => position === lanes[lane]!.calls.length))
      return sameState(state, finalState);
    const place = `${positions.join(",")} ${state === null ? "" : `${state.expires} ${state.text}`}`;
    if (seen.has(place)) return false;
    seen.add(place);
    return lanes.some((lane, index) => {
      const call = lane.calls[positions[index]!];
      if (call === undefined || !mayComeNext(call, lanes, positions, index)) return false;
      const further = positions.map((position, other) => (other === index ? position + 1 : position));
      const effect = effectOf(call.request, key, state);
      const isRepeated = call.request.outcomeUnknown && REPEATED.has(call.request.kind);
      if (isRepeated && search(positions, effect.state)) return true;
      // A delete that is repeated had its answer from a put before it, not from the store.
      const isAnswered = isRepeated && call.request.kind === Kind.delete;
      if (call.outcome !== "ok") return search(further, effect.state) || search(further, state);
      return (isAnswered || answers(effect.result, call.result)) && search(further, effect.state);
    });
  };
  return search(
    lanes.map(() => 0),
    null,
  );
}

function laneOf(calls: readonly Call[]): Lane {
  // A read without an answer says nothing.
  const lasting = calls.filter(
    (call) => call.outcome === "ok" || (call.outcome !== "not-applied" && !isReading(call.request.kind)),
  );
  const firstAcknowledgedMs = lasting.map((call) =>
    call.outcome === "ok" ? call.settledMs : Number.POSITIVE_INFINITY,
  );
  for (let i = firstAcknowledgedMs.length - 2; i >= 0; i--) {
    firstAcknowledgedMs[i] = Math.min(firstAcknowledgedMs[i]!, firstAcknowledgedMs[i + 1]!);
  }
  return { calls: lasting, firstAcknowledgedMs };
}

function mayComeNext(call: Call, lanes: readonly Lane[], positions: readonly number[], own: number): boolean {
  return lanes.every(
    (lane, index) =>
      index === own || call.calledMs <= (lane.firstAcknowledgedMs[positions[index]!] ?? Number.POSITIVE_INFINITY),
  );
}

function effectOf(request: Request, key: string, state: State): Effect {
  switch (request.kind) {
    case Kind.get:
      return { state, result: state?.text ?? null };
    case Kind.contains:
      return { state, result: state !== null };
    case Kind.ttl:
      return { state, result: state === null ? null : state.expires ? "some" : Number.POSITIVE_INFINITY };
    case Kind.put:
      return { state: stored(request.value, request.ttlMs), result: undefined };
    case Kind.delete:
      return { state: null, result: state !== null };
    case Kind.getAndDelete:
      return { state: null, result: state?.text ?? null };
    case Kind.setIfNotExists:
      return state === null ? { state: stored(request.value, request.ttlMs), result: true } : { state, result: false };
    case Kind.compareAndSwap: {
      const { expected, next } = request.detail as CompareAndSwapDetail;
      if ((state?.text ?? null) !== expected) return { state, result: false };
      return { state: next === null ? null : stored(next, request.ttlMs), result: true };
    }
    case Kind.increment: {
      const text = state?.text ?? "0";
      if (!/^-?\d+$/.test(text)) return { state, result: "not a number" };
      const sum = BigInt(text) + (request.detail as bigint);
      return { state: { text: String(sum), expires: state?.expires === true }, result: sum };
    }
    case Kind.expire:
      if (state === null) return { state, result: false };
      return { state: stored(state.text, request.ttlMs), result: true };
    case Kind.transaction:
      return { state: stepped(request.detail as readonly TransactionStep[], key, state), result: undefined };
  }
}

function stepped(steps: readonly TransactionStep[], key: string, before: State): State {
  let state = before;
  for (const step of steps) {
    if (step.key !== key) continue;
    if (step.type === "put") state = stored(step.value, step.ttlMs);
    else if (step.type === "delete") state = null;
    else if (state !== null) state = stored(state.text, step.ttlMs);
  }
  return state;
}

function stored(value: unknown, ttlMs: number): Stored {
  return { text: textOf(value), expires: ttlMs > 0 };
}

function answers(expected: unknown, given: unknown): boolean {
  if (expected === "some") return typeof given === "number" && given > 0 && given < Number.POSITIVE_INFINITY;
  return expected === given;
}

function sameState(a: State, b: State): boolean {
  return a === null || b === null ? a === b : a.text === b.text && a.expires === b.expires;
}
