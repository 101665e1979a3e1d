import { Kind, OPERATION_NAMES, type TransactionStep } from "../../src/backends/request.js";
import { type Call, describeCall } from "./history.js";
import { isLinearizable } from "./linearizability.js";
import { isReading, type SimulatedStore } from "./simulated-store.js";

/** Kinds that must not be carried out twice for one call. */
const AT_MOST_ONCE: ReadonlySet<Kind> = new Set([
  Kind.setIfNotExists,
  Kind.getAndDelete,
  Kind.compareAndSwap,
  Kind.increment,
]);

/** What is wrong with a run, in sentences; empty: nothing. */
export function checkHistory(calls: readonly Call[], store: SimulatedStore, budgetMs: number): string[] {
  const problems: string[] = [];
  const blame = (what: string, call: Call): void => void problems.push(`${what}: ${describeCall(call)}`);
  for (const call of calls) {
    const { request } = call;
    if (call.answers === 0) blame("never settled", call);
    if (call.answers > 1) blame(`settled ${call.answers} times`, call);
    if (call.settledMs > call.deadlineMs + budgetMs) blame("settled after its deadline", call);
    if (isReading(request.kind)) {
      if (call.outcome === "unknown") blame("a read of unknown outcome", call);
      continue;
    }
    const executions = store.executions.get(request) ?? 0;
    if (call.outcome === "not-applied" && executions > 0 && !isRefusedByRule(call)) {
      blame("carried out and said to be not applied", call);
    }
    if (executions > 1 && AT_MOST_ONCE.has(request.kind)) blame(`carried out ${executions} times`, call);
  }
  for (const [key, ofKey] of byKey(calls)) {
    if (isLinearizable(key, ofKey, store.data.get(key) ?? null)) continue;
    const holds = store.data.get(key)?.text ?? null;
    const lines = ofKey.map((call) => `\n    ${describeCall(call)}`).join("");
    problems.push(`no order explains what came of the calls on ${key}, which holds ${holds}:${lines}`);
  }
  return problems;
}

/** The server looked and said no: carried out, without effect. */
function isRefusedByRule(call: Call): boolean {
  return OPERATION_NAMES[call.request.kind] === "increment" && call.failure === "BACKEND ERR_NOT_AN_INTEGER";
}

function byKey(calls: readonly Call[]): Map<string, Call[]> {
  const found = new Map<string, Call[]>();
  const add = (key: string, call: Call): void => {
    const list = found.get(key);
    if (list === undefined) found.set(key, [call]);
    else if (list.at(-1) !== call) list.push(call);
  };
  for (const call of calls) {
    if (call.request.kind !== Kind.transaction) add(call.request.key, call);
    else for (const step of call.request.detail as readonly TransactionStep[]) add(step.key, call);
  }
  return found;
}
