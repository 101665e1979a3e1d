import type { ValueCodec } from "../../codec/value-codec.js";
import type { Request } from "../request.js";
import type { Parts } from "./dialog-parts.js";
import type { BatchProgress } from "./exchanges.js";
import type { Statements } from "./statements.js";
import type { StatementSlab } from "./wire/statement-slab.js";
import type { Exchange, WireSession } from "./wire/wire-session.js";

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
