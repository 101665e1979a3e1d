import type { ValueCodec } from "../../codec/value-codec.js";
import { StateError } from "../../core/errors.js";
import { executeOther } from "../conditional-operations.js";
import { locateError } from "../located-error.js";
import { Kind, type Request } from "../request.js";
import { BACKEND, isUniqueViolation, mayBeForOneRow, refusedError, type ServerFailure } from "./errors.js";
import { type BatchProgress, firstColumn, fixedColumn, lostError } from "./exchanges.js";
import { LoadedEntries, type LoadedEntry } from "./loaded-entries.js";
import type { Statements } from "./statements.js";
import { ProtocolError } from "./wire/message-reader.js";
import type { StatementSlab } from "./wire/statement-slab.js";
import type { Exchange, WireSession } from "./wire/wire-session.js";

/** Another client may create a key between our look and our insert; so often in a row, the store is not to blame. */
const MAX_ATTEMPTS = 16;

export interface DialogSurroundings {
  readonly session: WireSession;
  readonly statements: Statements;
  readonly codec: ValueCodec;
  readonly maxValueBytes: number;
  readonly maxStoredBytes: number;
  newSlab(): StatementSlab;
  /** Those of them that somebody still waits for; the others have failed then. */
  wanted(requests: readonly Request[]): readonly Request[];
}

/** What a batch has of such operations: all in one dialog, or in several, one after the other on the same session. */
export class Dialogs {
  readonly progress: BatchProgress;
  readonly surroundings: DialogSurroundings;
  readonly #runs: readonly (readonly Request[])[];
  #at = 0;

  /** @param runs what is to share a dialog each; all of them count as one exchange of `progress` */
  constructor(progress: BatchProgress, runs: readonly (readonly Request[])[], surroundings: DialogSurroundings) {
    this.progress = progress;
    this.#runs = runs;
    this.surroundings = surroundings;
  }

  /** To be called when the one before has ended; undefined: that was the last. */
  next(): Dialog | undefined {
    while (this.#at < this.#runs.length) {
      const wanted = this.surroundings.wanted(this.#runs[this.#at++]!);
      if (wanted.length > 0) return new Dialog(this, wanted);
    }
    return undefined;
  }
}

/**
 * Operations that read before they write, in one transaction of two round trips: what is there is locked in the order
 * of the keys and read, the operations run here, and what they changed is written and committed. A key that was not
 * there cannot be locked: if somebody else has created it meanwhile, the insert fails, and all of it begins anew.
 */
class Dialog {
  readonly #dialogs: Dialogs;
  readonly #progress: BatchProgress;
  readonly #requests: readonly Request[];
  readonly #entries: LoadedEntries;
  readonly #surroundings: DialogSurroundings;
  #results: unknown[] = [];
  #attempts = 0;

  constructor(dialogs: Dialogs, requests: readonly Request[]) {
    this.#dialogs = dialogs;
    this.#progress = dialogs.progress;
    this.#requests = requests;
    this.#surroundings = dialogs.surroundings;
    const { codec, maxValueBytes, maxStoredBytes } = this.#surroundings;
    this.#entries = new LoadedEntries(requests, codec, maxValueBytes, maxStoredBytes);
  }

  /** Writes the first half; its exchange is to be sent with it. */
  begin(slab: StatementSlab): Exchange {
    this.#attempts++;
    const { statements, maxStoredBytes, session } = this.#surroundings;
    const { all } = this.#entries;
    this.#entries.reset();
    slab.begin(statements.begin, 0, session.prepared);
    slab.execute();
    slab.begin(statements.clock, 0, session.prepared);
    slab.execute();
    slab.begin(statements.lock, 3, session.prepared);
    const checksums = new Uint32Array(all.length);
    slab.keys(all, checksums);
    all.forEach((entry, index) => {
      entry.checksum = checksums[index]!;
    });
    slab.booleans(all.length, (index) => all[index]!.wantsValue);
    slab.int4(maxStoredBytes);
    slab.execute();
    slab.sync();
    let ran = 0;
    return {
      row: (bytes, start, end) => (ran === 1 ? this.#takeClock(bytes, start, end) : this.#takeEntry(bytes, start, end)),
      ran: () => {
        ran++;
      },
      settled: (failure) => {
        if (failure === undefined) this.#work();
        else this.#takeBack(failure);
      },
      lost: (cause) => this.#lost(cause, "not-applied"),
    };
  }

  #takeClock(bytes: Buffer, start: number, end: number): void {
    const at = fixedColumn(bytes, firstColumn(bytes, start, 1), end, 8);
    this.#entries.nowMs = bytes.readDoubleBE(at - 8);
  }

  #takeEntry(bytes: Buffer, start: number, end: number): void {
    const index = fixedColumn(bytes, firstColumn(bytes, start, 4), end, 8);
    const live = fixedColumn(bytes, index, end, 1);
    const expires = live + 4 <= end && bytes.readInt32BE(live) >= 0;
    const expiry = expires ? fixedColumn(bytes, live, end, 8) : live + 4;
    if (expiry + 4 > end) throw new ProtocolError("a row of another shape");
    const length = bytes.readInt32BE(expiry);
    if (expiry + 4 + Math.max(0, length) !== end) throw new ProtocolError("a column of another length");
    const entry = this.#entries.all[bytes.readInt32BE(index - 4) - 1];
    if (entry === undefined) throw new ProtocolError("a row of no key");
    entry.isStored = true;
    entry.isLive = bytes[live - 1] === 1;
    entry.expiresAtMs = expires ? bytes.readDoubleBE(expiry - 8) : 0;
    entry.stored = length < 0 ? undefined : Buffer.from(bytes.subarray(expiry + 4, end));
  }

  #work(): void {
    this.#results = this.#requests.map((request) => {
      this.#entries.keepsMetadata = request.kind === Kind.increment;
      try {
        return executeOther(this.#entries, request);
      } catch (error) {
        return locateError(error, request, BACKEND);
      }
    });
    const { session, newSlab } = this.#surroundings;
    const slab = session.takeSlab(newSlab);
    this.#writeChanges(slab);
    session.send(slab, [
      {
        row: refuseRow,
        settled: (failure) => {
          if (failure === undefined) this.#succeed();
          else this.#takeBack(failure);
        },
        lost: (cause) => this.#lost(cause, "unknown"),
      },
    ]);
  }

  #writeChanges(slab: StatementSlab): void {
    const { statements, session } = this.#surroundings;
    const changed = this.#entries.all.filter((entry) => entry.isChanged);
    const written = (entry: LoadedEntry): boolean => entry.isLive;
    const inserts = changed.filter((entry) => written(entry) && !entry.isStored);
    const updates = changed.filter((entry) => written(entry) && entry.isStored);
    const erased = changed.filter((entry) => !written(entry) && entry.isStored);
    const expiry = (entries: readonly LoadedEntry[]): void =>
      slab.floats(entries.length, (index) => entries[index]!.expiresAtMs || null);
    if (inserts.length > 0) {
      slab.begin(statements.insert, 3, session.prepared);
      slab.keys(inserts);
      slab.blobs(inserts.map((entry) => entry.stored!));
      expiry(inserts);
      slab.execute();
    }
    if (updates.length > 0) {
      slab.begin(statements.update, 4, session.prepared);
      slab.keys(updates);
      slab.blobs(updates.map((entry) => (entry.hasNewValue ? entry.stored! : null)));
      expiry(updates);
      slab.booleans(updates.length, (index) => updates[index]!.keepsMetadata);
      slab.execute();
    }
    if (erased.length > 0) {
      slab.begin(statements.erase, 1, session.prepared);
      slab.keys(erased);
      slab.execute();
    }
    slab.begin(statements.commit, 0, session.prepared);
    slab.execute();
    slab.sync();
  }

  #succeed(): void {
    const { batch } = this.#progress;
    this.#progress.stamp();
    this.#requests.forEach((request, index) => {
      const result = this.#results[index];
      if (result instanceof StateError) this.#progress.failed(request, result);
      else batch.succeed(request, result);
    });
    const following = this.#dialogs.next();
    if (following === undefined) {
      this.#progress.exchangeEnded();
      return;
    }
    const { session, newSlab } = this.#surroundings;
    const slab = session.takeSlab(newSlab);
    session.send(slab, [following.begin(slab)]);
  }

  /** The server refused: what the transaction has done and locked is given back before anything else. */
  #takeBack(failure: ServerFailure): void {
    const { session, statements, newSlab } = this.#surroundings;
    const slab = session.takeSlab(newSlab);
    slab.begin(statements.rollback, 0, undefined);
    slab.execute();
    slab.sync();
    const exchanges: Exchange[] = [{ row: refuseRow, settled: () => {}, lost: () => {} }];
    const again = isUniqueViolation(failure) && this.#attempts < MAX_ATTEMPTS;
    const following = again ? this : this.#dialogs.next();
    if (following !== undefined) exchanges.push(following.begin(slab));
    // Before the sending, which may find the session lost and end the batch.
    if (!again) this.#refuse(failure);
    session.send(slab, exchanges);
    if (following === undefined) this.#progress.exchangeEnded(failure);
  }

  #refuse(failure: ServerFailure): void {
    const isTaken = isUniqueViolation(failure);
    const error = isTaken ? refusedError({ ...failure, code: "40001" }) : refusedError(failure);
    if (isTaken || this.#requests.length === 1 || !mayBeForOneRow(failure)) {
      this.#failAll((request) => locateError(error, request, BACKEND));
      return;
    }
    // Those too that had failed here already: they may have seen what another one did, which has been taken back.
    for (const request of this.#requests) {
      this.#progress.batch.refuseWithOthers(request, locateError(error, request, BACKEND));
    }
  }

  #lost(cause: StateError, outcome: "not-applied" | "unknown"): void {
    this.#failAll((request) =>
      outcome === "unknown" ? lostError(request, cause) : locateError(cause, request, BACKEND, outcome),
    );
    const following = this.#dialogs.next();
    if (following === undefined) this.#progress.exchangeEnded();
    else following.#lost(cause, "not-applied");
  }

  #failAll(errorOf: (request: Request) => StateError): void {
    this.#requests.forEach((request, index) => {
      const result = this.#results[index];
      this.#progress.failed(request, result instanceof StateError ? result : errorOf(request));
    });
  }
}

function refuseRow(): void {
  throw new ProtocolError("a row of nothing");
}
