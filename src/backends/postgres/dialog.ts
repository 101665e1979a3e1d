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

/** What was refused together is first divided into so many each: one that is unwanted then costs few others a third turn. */
const FEW_TOGETHER = 8;

/**
 * What a batch has of such operations: all in one dialog, or, where the server has refused that for one of them perhaps,
 * in several, one after the other on the same session. All of them count as one exchange of the batch.
 */
export class Dialogs {
  readonly progress: BatchProgress;
  readonly surroundings: DialogSurroundings;
  /** What is to share a dialog each; the next one stands last. */
  readonly #runs: (readonly Request[])[];

  constructor(progress: BatchProgress, requests: readonly Request[], surroundings: DialogSurroundings) {
    this.progress = progress;
    this.#runs = [requests];
    this.surroundings = surroundings;
  }

  get hasMore(): boolean {
    return this.#runs.length > 0;
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
    for (let run = this.#runs.pop(); run !== undefined; run = this.#runs.pop()) {
      const wanted = this.surroundings.wanted(run);
      if (wanted.length > 0) return new Dialog(this, wanted);
    }
    return undefined;
  }

  /** Has them come again with fewer others, next; false: they cannot be divided. */
  divide(requests: readonly Request[]): boolean {
    const runs = dividedRuns(requests);
    if (runs.length === 1) return false;
    this.#runs.push(...runs.reverse());
    return true;
  }
}

/** Those of one key stay together: one that fails and is tried again must not come after the next. */
function dividedRuns(requests: readonly Request[]): Request[][] {
  const ofKeys = new Map<unknown, Request[]>();
  for (const request of requests) {
    const owner = request.kind === Kind.transaction ? request : request.key;
    const sharers = ofKeys.get(owner);
    if (sharers === undefined) ofKeys.set(owner, [request]);
    else sharers.push(request);
  }
  const most = ofKeys.size > FEW_TOGETHER ? FEW_TOGETHER : 1;
  const groups = [...ofKeys.values()];
  return Array.from({ length: Math.ceil(groups.length / most) }, (_, run) =>
    groups.slice(run * most, (run + 1) * most).flat(),
  );
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
    try {
      this.#writeChanges(slab);
    } catch (error) {
      this.#abandon(slab, error);
      return;
    }
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
    const { session, newSlab } = this.#surroundings;
    const slab = this.#dialogs.hasMore ? session.takeSlab(newSlab) : undefined;
    const following = slab && this.#dialogs.begin(slab);
    if (following === undefined) this.#progress.exchangeEnded();
    else session.send(slab!, [following]);
  }

  /** The server refused. */
  #takeBack(failure: ServerFailure): void {
    const { session, newSlab } = this.#surroundings;
    const slab = session.takeSlab(newSlab);
    const again = isUniqueViolation(failure) && this.#attempts < MAX_ATTEMPTS;
    // Before the sending, which may find the session lost and end the batch.
    if (!again) this.#refuse(failure);
    this.#rollBack(slab, again);
  }

  /** What has become of the entries cannot be written down: it is too much, or memory ran out. */
  #abandon(slab: StatementSlab, error: unknown): void {
    const { session } = this.#surroundings;
    slab.length = 0;
    // Names may be known now of which the server has not heard.
    session.prepared?.clear();
    if (!this.#dialogs.divide(this.#requests)) this.fail(error);
    this.#rollBack(slab, false);
  }

  /** What the transaction has done and locked is given back before anything else. */
  #rollBack(slab: StatementSlab, again: boolean): void {
    const { session, statements } = this.#surroundings;
    slab.begin(statements.rollback, 0, undefined);
    slab.execute();
    slab.sync();
    const exchanges: Exchange[] = [{ row: refuseRow, settled: () => {}, lost: () => {} }];
    const following = this.#dialogs.begin(slab, again ? this : undefined);
    if (following !== undefined) exchanges.push(following);
    session.send(slab, exchanges);
    if (following === undefined) this.#progress.exchangeEnded();
  }

  /** Nothing of it was carried out. */
  fail(error: unknown): void {
    this.#failAll((request) => locateError(error, request, BACKEND, "not-applied"));
  }

  #refuse(failure: ServerFailure): void {
    // What has failed here already comes again with the others: it may have seen what has been taken back.
    if (mayBeForOneRow(failure) && this.#dialogs.divide(this.#requests)) return;
    const error = refusedError(isUniqueViolation(failure) ? { ...failure, code: "40001" } : failure);
    for (const request of this.#requests) this.#progress.failed(request, locateError(error, request, BACKEND));
  }

  #lost(cause: StateError, outcome: "not-applied" | "unknown"): void {
    this.#failAll((request) =>
      outcome === "unknown" ? lostError(request, cause) : locateError(cause, request, BACKEND, outcome),
    );
    for (let next = this.#dialogs.next(); next !== undefined; next = this.#dialogs.next()) {
      next.fail(cause);
    }
    this.#progress.exchangeEnded();
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
