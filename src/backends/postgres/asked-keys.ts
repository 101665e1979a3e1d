import type { Request } from "../request.js";
import { type BatchProgress, PositionalExchange } from "./exchanges.js";
import type { Statements } from "./statements.js";
import { ProtocolError } from "./wire/message-reader.js";
import type { StatementSlab } from "./wire/statement-slab.js";
import type { Exchange, WireSession } from "./wire/wire-session.js";

/** contains: one statement for all of them. */
export function askWhetherThere(
  progress: BatchProgress,
  slab: StatementSlab,
  session: WireSession,
  statement: Statements["probe"],
  probes: readonly Request[],
  exchanges: Exchange[],
): void {
  if (probes.length === 0) return;
  askAbout(probes, slab, session, statement);
  exchanges.push(
    new PositionalExchange(progress, probes, (request, _index, _bytes, _at, length) => {
      progress.batch.succeed(request, length === 1);
    }),
  );
}

/** ttl: one statement for all of them. */
export function askLifetimes(
  progress: BatchProgress,
  slab: StatementSlab,
  session: WireSession,
  statement: Statements["timeToLive"],
  asked: readonly Request[],
  exchanges: Exchange[],
): void {
  if (asked.length === 0) return;
  askAbout(asked, slab, session, statement);
  exchanges.push(
    new PositionalExchange(progress, asked, (request, _index, bytes, at, length) => {
      if (length >= 0 && length !== 8) throw new ProtocolError("a column of another length");
      const leftMs = length < 0 ? null : bytes.readDoubleBE(at);
      progress.batch.succeed(request, leftMs !== null && leftMs < 0 ? Number.POSITIVE_INFINITY : roundedUp(leftMs));
    }),
  );
}

function askAbout(
  requests: readonly Request[],
  slab: StatementSlab,
  session: WireSession,
  statement: Statements["probe" | "timeToLive"],
): void {
  slab.begin(statement, 1, session.prepared);
  slab.keys(requests);
  slab.execute();
  slab.sync();
}

function roundedUp(ms: number | null): number | null {
  return ms === null ? null : Math.ceil(ms);
}
