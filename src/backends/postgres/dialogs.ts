import { shortLivedList } from "../../core/short-lived-list.js";
import type { Request } from "../request.js";
import { Dialog } from "./dialog.js";
import type { Parts } from "./dialog-parts.js";
import type { DialogSequence, DialogSurroundings } from "./dialog-sequence.js";
import type { BatchProgress } from "./exchanges.js";
import type { StatementSlab } from "./wire/statement-slab.js";
import type { Exchange } from "./wire/wire-session.js";

/**
 * What a batch has of such operations: all in one dialog, or, where the server has refused that for one of them perhaps,
 * in several, one after the other on the same session. All of them count as one exchange of the batch.
 *
 * What is divided stays in one transaction, as parts that can be taken back each: a commit for each part would take so long
 * that, with a refused row in every batch, calls run out of time. Only where the commit itself is refused, which says
 * nothing of the part that is to blame, has each part a dialog of its own.
 */
export class Dialogs implements DialogSequence<Dialog> {
  readonly progress: BatchProgress;
  readonly surroundings: DialogSurroundings;
  /** Of one dialog each; the next one stands last. */
  readonly #waiting: Parts[] = shortLivedList();

  constructor(progress: BatchProgress, requests: readonly Request[], surroundings: DialogSurroundings) {
    this.progress = progress;
    this.repeat(onePart(requests));
    this.surroundings = surroundings;
  }

  get hasMore(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Writes the first half of the next one that can be written; to be called when the one before has ended.
   *
   * @param first is to go before those that wait
   */
  begin(slab: StatementSlab, first?: Dialog): Exchange | undefined {
    for (let next = first ?? this.next(); next !== undefined; next = this.next()) {
      const { length } = slab;
      try {
        return next.begin(slab);
      } catch (error) {
        slab.length = length;
        this.surroundings.session.prepared?.clear();
        next.fail(error);
      }
    }
    return undefined;
  }

  /** undefined: there is none. */
  next(): Dialog | undefined {
    for (let parts = this.#waiting.pop(); parts !== undefined; parts = this.#waiting.pop()) {
      const wanted = parts.map((part) => this.surroundings.wanted(part)).filter((part) => part.length > 0);
      if (wanted.length > 0) return new Dialog(this, wanted);
    }
    return undefined;
  }

  /** Has these come again, next. */
  repeat(parts: Parts): void {
    if (parts.length > 0) this.#waiting.push(parts);
  }

  /** Has each of these come again in a dialog of its own, next. */
  repeatApart(parts: Parts): void {
    for (const part of parts.toReversed()) this.#waiting.push(onePart(part));
  }
}

function onePart(requests: readonly Request[]): Parts {
  const parts: (readonly Request[])[] = shortLivedList();
  parts.push(requests);
  return parts;
}
