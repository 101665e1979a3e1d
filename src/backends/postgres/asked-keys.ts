import type { Batch } from "../batch.js";
import type { Request } from "../request.js";
import { type BatchProgress, PositionalExchange } from "./exchanges.js";
import type { Statements } from "./statements.js";
import { ProtocolError } from "./wire/message-reader.js";
import type { StatementSlab } from "./wire/statement-slab.js";
import type { WireSession } from "./wire/wire-session.js";

/** `length` -1: null */
type AnswerKey = (batch: Batch, request: Request, bytes: Buffer, at: number, length: number) => void;

/** What one statement asks about keys, of which each is answered by a row. */
export interface Question {
  readonly statement: (statements: Statements) => Statements["probe" | "timeToLive"];
  readonly answer: AnswerKey;
}

export const CONTAINS: Question = {
  statement: ({ probe }) => probe,
  answer: (batch, request, _bytes, _at, length) => batch.succeed(request, length === 1),
};

export const TTL: Question = {
  statement: ({ timeToLive }) => timeToLive,
  answer: (batch, request, bytes, at, length) => {
    if (length >= 0 && length !== 8) throw new ProtocolError("a column of another length");
    const leftMs = length < 0 ? null : bytes.readDoubleBE(at);
    batch.succeed(request, leftMs !== null && leftMs < 0 ? Number.POSITIVE_INFINITY : roundedUp(leftMs));
  },
};

/** Writes the statement; the result takes its answer. */
export function ask(
  { statement, answer }: Question,
  requests: readonly Request[],
  progress: BatchProgress,
  slab: StatementSlab,
  { prepared }: WireSession,
  statements: Statements,
): PositionalExchange {
  slab.begin(statement(statements), 1, prepared);
  slab.keys(requests);
  slab.execute();
  slab.sync();
  return new PositionalExchange(progress, requests, (request, _index, bytes, at, length) => {
    answer(progress.batch, request, bytes, at, length);
  });
}

function roundedUp(ms: number | null): number | null {
  return ms === null ? null : Math.ceil(ms);
}
