import { StateError } from "../../core/errors.js";
import { shortLivedList } from "../../core/short-lived-list.js";
import { executeOther } from "../conditional-operations.js";
import { locateError } from "../located-error.js";
import { Kind, keysOf, type Request } from "../request.js";
import { dividedParts, type Parts } from "./dialog-parts.js";
import type { DialogSequence, DialogSurroundings } from "./dialog-sequence.js";
import { BACKEND, isUniqueViolation, mayBeForOneRow, refusedError, type ServerFailure } from "./errors.js";
import { type BatchProgress, firstColumn, fixedColumn, lostError } from "./exchanges.js";
import { LoadedEntries, type LoadedEntry } from "./loaded-entries.js";
import { ProtocolError } from "./wire/message-reader.js";
import type { StatementSlab } from "./wire/statement-slab.js";
import type { Exchange } from "./wire/wire-session.js";

/** Another client may create a key between our look and our insert; so often in a row, the store is not to blame. */
const MAX_ATTEMPTS = 16;

/** A class, as `shortLivedList` says of literals. */
class DialogExchange implements Exchange {
  readonly row: Exchange["row"];
  readonly settled: Exchange["settled"];
  readonly lost: Exchange["lost"];
  readonly ran: () => void;

  constructor(row: Exchange["row"], settled: Exchange["settled"], lost: Exchange["lost"], ran = () => {}) {
    this.row = row;
    this.settled = settled;
    this.lost = lost;
    this.ran = ran;
  }
}

/**
 * Operations that read before they write, in one transaction of two round trips: what is there is locked in the order
 * of the keys and read, the operations run here, and what they changed is written and committed. A key that was not
 * there cannot be locked: if somebody else has created it meanwhile, the insert fails, and all of it begins anew.
 *
 * What comes in several parts is written part by part, all sent at once. Around each are savepoints of one name: behind
 * what was written stands a new one, so that going back to the last takes nothing back, unless the part was refused.
 */
export class Dialog {
  readonly #dialogs: DialogSequence<Dialog>;
  readonly #progress: BatchProgress;
  readonly #requests: readonly Request[];
  readonly #entries: LoadedEntries;
  readonly #surroundings: DialogSurroundings;
  readonly #parts: Parts;
  #results: unknown[] = [];
  /** Why parts were taken back, by their places. */
  #refused: (ServerFailure | undefined)[] = [];
  /** A part could not be taken back. */
  #broken: ServerFailure | undefined;
  #attempts = 0;

  constructor(dialogs: DialogSequence<Dialog>, parts: Parts) {
    const requests = parts.flat();
    this.#dialogs = dialogs;
    this.#progress = dialogs.progress;
    this.#parts = parts;
    this.#requests = requests;
    this.#surroundings = dialogs.surroundings;
    const { codec, maxValueBytes, maxStoredBytes } = this.#surroundings;
    this.#entries = new LoadedEntries(requests, codec, maxValueBytes, maxStoredBytes);
  }

  /** Writes the first half; its exchange is to be sent with it. */
  begin(slab: StatementSlab): Exchange {
    this.#attempts++;
    this.#results = [];
    this.#refused = [];
    this.#broken = undefined;
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
    return new DialogExchange(
      (bytes, start, end) => (ran === 1 ? this.#takeClock(bytes, start, end) : this.#takeEntry(bytes, start, end)),
      (failure) => {
        if (failure === undefined) this.#work();
        else this.#takeBack(failure);
      },
      (cause) => this.#lost(cause, "not-applied"),
      () => {
        ran++;
      },
    );
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
    this.#results = this.#requests.map((request) => this.#resultOf(request));
    const { session, newSlab } = this.#surroundings;
    const slab = session.takeSlab(newSlab);
    const exchanges: Exchange[] = shortLivedList();
    try {
      if (this.#parts.length === 1) this.#writeChanges(slab, this.#entries.all);
      else this.#writeParts(slab, exchanges);
      this.#end(slab, exchanges);
    } catch (error) {
      this.#abandon(slab, error);
      return;
    }
    session.send(slab, exchanges);
  }

  #resultOf(request: Request): unknown {
    this.#entries.keepsMetadata = request.kind === Kind.increment;
    try {
      return executeOther(this.#entries, request);
    } catch (error) {
      return locateError(error, request, BACKEND);
    }
  }

  #writeChanges(slab: StatementSlab, entries: readonly LoadedEntry[]): void {
    const { statements, session } = this.#surroundings;
    const changed = entries.filter((entry) => entry.isChanged);
    const inserts = changed.filter((entry) => entry.isLive && !entry.isStored);
    const updates = changed.filter((entry) => entry.isLive && entry.isStored);
    const erased = changed.filter((entry) => !entry.isLive && entry.isStored);
    const expiry = (of: readonly LoadedEntry[]): void =>
      slab.floats(of.length, (index) => of[index]!.expiresAtMs || null);
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
  }

  #writeParts(slab: StatementSlab, exchanges: Exchange[]): void {
    const { statements, session } = this.#surroundings;
    const { insert, update, erase, savepoint, release, rollbackTo } = statements;
    // What stands behind a refused statement is passed over, so none may be prepared there that others rely on.
    slab.prepare([insert, update, erase, savepoint, release, rollbackTo], session.prepared);
    const run = (statement: typeof savepoint): void => {
      slab.begin(statement, 0, session.prepared);
      slab.execute();
    };
    for (const [place, part] of this.#parts.entries()) {
      run(savepoint);
      this.#writeChanges(slab, this.#entries.of(part.flatMap(keysOf)));
      run(release);
      run(savepoint);
      slab.sync();
      run(rollbackTo);
      run(release);
      slab.sync();
      exchanges.push(
        this.#step((failure) => {
          this.#refused[place] = failure;
        }),
        // The transaction cannot go on then: what comes of its commit is a rollback without a word.
        this.#step((failure) => {
          this.#broken ??= failure;
        }),
      );
    }
  }

  #step(refused: (failure: ServerFailure) => void): Exchange {
    const settled = (failure: ServerFailure | undefined): void => {
      if (failure !== undefined) refused(failure);
    };
    // The last of the dialog's exchanges tells it when they are lost.
    return new DialogExchange(refuseRow, settled, () => {});
  }

  #end(slab: StatementSlab, exchanges: Exchange[]): void {
    const { statements, session } = this.#surroundings;
    slab.begin(statements.commit, 0, session.prepared);
    slab.execute();
    slab.sync();
    const settled = (failure: ServerFailure | undefined): void => {
      const reason = this.#broken ?? failure;
      if (reason === undefined) this.#succeed();
      else this.#takeBack(reason);
    };
    exchanges.push(new DialogExchange(refuseRow, settled, (cause) => this.#lost(cause, "unknown")));
  }

  #succeed(): void {
    const { batch } = this.#progress;
    this.#progress.stamp();
    const again: (readonly Request[])[] = [];
    let index = 0;
    for (const [place, part] of this.#parts.entries()) {
      const failure = this.#refused[place];
      if (failure !== undefined) {
        if (isUniqueViolation(failure)) this.#dialogs.repeatApart([part]);
        else again.push(...this.#refuse(part, failure));
        index += part.length;
        continue;
      }
      for (const request of part) {
        const result = this.#results[index++];
        if (result instanceof StateError) this.#progress.failed(request, result);
        else batch.succeed(request, result);
      }
    }
    this.#dialogs.repeat(again);
    const { session, newSlab } = this.#surroundings;
    const slab = this.#dialogs.hasMore ? session.takeSlab(newSlab) : undefined;
    const following = slab && this.#dialogs.begin(slab);
    if (following === undefined) this.#progress.exchangeEnded();
    else session.send(slab!, [following]);
  }

  /** The server refused all of it. */
  #takeBack(failure: ServerFailure): void {
    const { session, newSlab } = this.#surroundings;
    const slab = session.takeSlab(newSlab);
    const again = isUniqueViolation(failure) && this.#attempts < MAX_ATTEMPTS;
    // Before the sending, which may find the session lost and end the batch.
    if (!again) {
      if (this.#parts.length > 1 && mayBeForOneRow(failure)) this.#dialogs.repeatApart(this.#parts);
      else this.#dialogs.repeat(this.#refuse(this.#requests, failure));
    }
    this.#rollBack(slab, again);
  }

  /** What has become of the entries cannot be written down: it is too much, or memory ran out. */
  #abandon(slab: StatementSlab, error: unknown): void {
    const { session } = this.#surroundings;
    slab.length = 0;
    // Names may be known now of which the server has not heard.
    session.prepared?.clear();
    const parts = dividedParts(this.#requests);
    if (parts.length > 1) this.#dialogs.repeatApart(parts);
    else this.fail(error);
    this.#rollBack(slab, false);
  }

  /** What the transaction has done and locked is given back before anything else. */
  #rollBack(slab: StatementSlab, again: boolean): void {
    const { session, statements } = this.#surroundings;
    slab.begin(statements.rollback, 0, undefined);
    slab.execute();
    slab.sync();
    const exchanges: Exchange[] = [this.#step(() => {})];
    const following = this.#dialogs.begin(slab, again ? this : undefined);
    if (following !== undefined) exchanges.push(following);
    session.send(slab, exchanges);
    if (following === undefined) this.#progress.exchangeEnded();
  }

  /** @returns what is to come again instead, in parts: what has failed here already as well, for it may have seen what has been taken back */
  #refuse(requests: readonly Request[], failure: ServerFailure): Parts {
    const parts = mayBeForOneRow(failure) ? dividedParts(requests) : [];
    if (parts.length > 1) return parts;
    const error = refusedError(isUniqueViolation(failure) ? { ...failure, code: "40001" } : failure);
    for (const request of requests) this.#progress.failed(request, locateError(error, request, BACKEND));
    return [];
  }

  /** Nothing of it was carried out. */
  fail(error: unknown): void {
    this.#failAll((request) => locateError(error, request, BACKEND, "not-applied"));
  }

  #lost(cause: StateError, outcome: "not-applied" | "unknown"): void {
    const refused = new Map<Request, StateError>();
    for (const [place, failure] of this.#refused.entries()) {
      if (failure === undefined) continue;
      const error = refusedError(failure);
      for (const request of this.#parts[place]!) refused.set(request, locateError(error, request, BACKEND));
    }
    this.#failAll((request) => {
      const known = refused.get(request);
      if (known !== undefined) return known;
      return outcome === "unknown" ? lostError(request, cause) : locateError(cause, request, BACKEND, outcome);
    });
    for (let next = this.#dialogs.next(); next !== undefined; next = this.#dialogs.next()) next.fail(cause);
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
