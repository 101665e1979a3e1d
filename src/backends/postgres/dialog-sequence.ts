import type { ValueCodec } from "../../codec/value-codec.js";
import type { Request } from "../request.js";
import type { Parts } from "./dialog-parts.js";
import type { BatchProgress } from "./exchanges.js";
import type { Statements } from "./statements.js";
import type { ValueLimits } from "./value-answers.js";
import type { StatementSlab } from "./wire/statement-slab.js";
import type { Exchange, WireSession } from "./wire/wire-session.js";

/** A class, as `shortLivedList` says of literals. */
export class DialogSurroundings {
  readonly session: WireSession;
  readonly statements: Statements;
  readonly codec: ValueCodec;
  readonly maxValueBytes: number;
  readonly maxStoredBytes: number;
  readonly newSlab: () => StatementSlab;
  /** Those of them that somebody still waits for; the others have failed then. */
  readonly wanted: (requests: readonly Request[]) => readonly Request[];

  constructor(
    session: WireSession,
    statements: Statements,
    { codec, maxValueBytes, maxStoredBytes }: ValueLimits,
    newSlab: () => StatementSlab,
    wanted: (requests: readonly Request[]) => readonly Request[],
  ) {
    this.session = session;
    this.statements = statements;
    this.codec = codec;
    this.maxValueBytes = maxValueBytes;
    this.maxStoredBytes = maxStoredBytes;
    this.newSlab = newSlab;
    this.wanted = wanted;
  }
}

/** The dialogs of a batch as one of them knows the others; `Dialogs` says what each member does. */
export interface DialogSequence<Dialog> {
  readonly progress: BatchProgress;
  readonly surroundings: DialogSurroundings;
  readonly hasMore: boolean;
  begin(slab: StatementSlab, first?: Dialog): Exchange | undefined;
  next(): Dialog | undefined;
  repeat(parts: Parts): void;
  repeatApart(parts: Parts): void;
}
