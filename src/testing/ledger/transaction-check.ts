import type { Entry, LedgerCall, Violation } from "./entry.js";
import { KeyModel, type Stored } from "./key-model.js";

export interface KeyHistory {
  readonly entries: readonly Entry[];
  readonly stored: Stored;
}

interface Verdict {
  /** Whether what was seen of the key can be explained if the transaction took effect, and if it did not. */
  readonly applied: boolean;
  readonly skipped: boolean;
  readonly key: string;
}

/**
 * A transaction of unknown outcome has taken effect as a whole or not at all: no key may show that it did while another
 * shows that it did not. What one key proves is held against all others, until nothing new follows.
 */
export function tornTransactions(
  histories: ReadonlyMap<string, KeyHistory>,
  slackMs: number,
): Omit<Violation, "history">[] {
  const open = transactionsOfUnknownOutcome(histories);
  const proven = new Map<LedgerCall, boolean>();
  const torn: Omit<Violation, "history">[] = [];
  const explains = (key: string, assumed: ReadonlyMap<LedgerCall, boolean>): boolean => {
    const { entries, stored } = histories.get(key)!;
    const model = new KeyModel(entries, { slackMs, assumed });
    model.settleWith(stored);
    return model.found.length === 0;
  };
  for (let isNews = true; isNews; ) {
    isNews = false;
    for (const [call, keys] of open) {
      const verdicts = [...keys].map((key): Verdict => {
        const applied = explains(key, new Map([...proven, [call, true]]));
        return { key, applied, skipped: explains(key, new Map([...proven, [call, false]])) };
      });
      const against = verdicts.find(({ applied }) => !applied);
      const inFavour = verdicts.find(({ skipped }) => !skipped);
      if (against === undefined && inFavour === undefined) continue;
      open.delete(call);
      if (against === undefined || inFavour === undefined) {
        proven.set(call, against === undefined);
        isNews = true;
      } else {
        const detail = `the transaction changed ${inFavour.key} and left ${against.key} as it was`;
        const index = histories.get(inFavour.key)!.entries.findIndex((entry) => entry.call === call);
        torn.push({ kind: "torn-transaction", key: inFavour.key, call: index, detail });
      }
    }
  }
  return torn;
}

function transactionsOfUnknownOutcome(histories: ReadonlyMap<string, KeyHistory>): Map<LedgerCall, Set<string>> {
  const found = new Map<LedgerCall, Set<string>>();
  for (const [key, { entries }] of histories) {
    for (const { call } of entries) {
      if (call.operation !== "transaction" || call.outcome === "ok" || call.outcome === "not-applied") continue;
      const keys = found.get(call) ?? new Set();
      found.set(call, keys.add(key));
    }
  }
  return found;
}
