import type { Content, Entry, LedgerCall } from "./entry.js";
import { KeyModel, type Stored } from "./key-model.js";
import { type LedgerReport, Tally } from "./tally.js";
import { type KeyHistory, tornTransactions } from "./transaction-check.js";

/** A value as it lies in the store, and how much longer: milliseconds, Infinity for ever. */
export interface StoredValue {
  readonly value: Uint8Array;
  readonly ttlMs: number;
}

/** What is under these keys, past the engine, in their order; null: no such key. Of bytes alone no lifetime is checked. */
export type ReadBack = (keys: readonly string[]) => Promise<readonly (Uint8Array | StoredValue | null)[]>;

const READ_BACK_KEYS = 1000;

interface Existed {
  must: number;
  may: number;
}

/** The verdict on the calls on all keys, given what the store holds. */
export async function verifyHistories(
  histories: ReadonlyMap<string, readonly Entry[]>,
  readBack: ReadBack,
  slackMs: number,
): Promise<LedgerReport> {
  const tally = new Tally();
  const existed = new Map<LedgerCall, Existed>();
  const explained = new Map<string, KeyHistory>();
  const names = [...histories.keys()];
  for (let at = 0; at < names.length; at += READ_BACK_KEYS) {
    const page = names.slice(at, at + READ_BACK_KEYS);
    const fromMs = performance.now();
    const read = await readBack(page);
    const untilMs = performance.now();
    for (const [index, key] of page.entries()) {
      const entries = histories.get(key)!;
      const stored = { ...storedOf(read[index] ?? null), fromMs, untilMs };
      const isExplained = judgeKey(key, entries, stored, slackMs, existed, tally);
      if (isExplained) explained.set(key, { entries, stored });
    }
  }
  judgeCounts(histories, existed, tally);
  // What is wrong with a key alone has been said, and would be said again of every transaction on it.
  for (const torn of tornTransactions(explained, slackMs)) tally.violation(histories.get(torn.key)!, torn);
  return tally.report();
}

function judgeKey(
  key: string,
  entries: readonly Entry[],
  stored: Stored,
  slackMs: number,
  existed: Map<LedgerCall, Existed>,
  tally: Tally,
): boolean {
  for (const [index, { call, operation, position }] of entries.entries()) {
    if (position > 0) continue;
    tally.count(call);
    if (call.settledMs === undefined) {
      tally.violation(entries, { kind: "unsettled", key, call: index, detail: `${operation} is pending` });
    } else if (call.isLate) {
      const detail = `${operation} settled ${Math.round(call.settledMs - call.deadlineMs)} ms after its deadline`;
      tally.violation(entries, { kind: "late", key, call: index, detail });
    }
  }
  const model = new KeyModel(entries, {
    slackMs,
    onCounted(call, must, may) {
      if (call.count === undefined) return;
      const sums = existed.get(call) ?? { must: 0, may: 0 };
      existed.set(call, sums);
      if (must) sums.must++;
      if (may) sums.may++;
    },
  });
  model.settleWith(stored);
  for (const found of model.found) tally.violation(entries, { ...found, key });
  return model.found.length === 0;
}

/** A call that removed many keys says how many of them there were. */
function judgeCounts(
  histories: ReadonlyMap<string, readonly Entry[]>,
  existed: ReadonlyMap<LedgerCall, Existed>,
  tally: Tally,
): void {
  for (const [key, entries] of histories) {
    for (const [index, { call, position }] of entries.entries()) {
      const sums = position === 0 ? existed.get(call) : undefined;
      if (sums === undefined || (call.count! >= sums.must && call.count! <= sums.may)) continue;
      // Fewer than there were: a first execution had removed the others.
      const kind = call.count! < sums.must ? "duplicate" : "wrong-read";
      const possible = `possible: ${sums.must} to ${sums.may}`;
      tally.violation(entries, { kind, key, call: index, detail: `${call.operation} gave ${call.count}, ${possible}` });
    }
  }
}

function storedOf(read: Uint8Array | StoredValue | null): Pick<Stored, "content" | "ttlMs"> {
  if (read === null) return { content: null, ttlMs: undefined };
  if (read instanceof Uint8Array) return { content: contentOf(read), ttlMs: undefined };
  return { content: contentOf(read.value), ttlMs: read.ttlMs };
}

export function contentOf(value: string | Uint8Array | null): Content {
  if (value === null) return null;
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
