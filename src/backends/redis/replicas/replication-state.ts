import { ConnectionError } from "../../../core/errors.js";
import { type ClockDistance, clockDistance } from "../../replicas/clock-distance.js";
import { hostPortOf, type Lane } from "../lane.js";
import { INFO_HEAD } from "../wire/handshake.js";
import { ErrorReply } from "../wire/protocol-error.js";
import type { Reply } from "../wire/reply-parser.js";

/** What a server says of its place in a replication, `INFO replication`. */
export interface ReplicationState {
  readonly isPrimary: boolean;
  /** A replica that has the primary's data and gets its changes. */
  readonly isLinked: boolean;
  /** The stream of changes in which offsets count: another with each server that becomes a primary. */
  readonly history: string;
  /** Bytes of it that this server has carried out. */
  readonly offset: bigint;
  readonly clock: ClockDistance;
}

/**
 * Behind all that was sent over the lane before, so that a primary's offset is at least that of the writes among it.
 * @throws StateError, also where the server does not tell
 */
export async function askReplicationState(lane: Lane): Promise<ReplicationState> {
  const askedAtMs = performance.now();
  const [info, time] = await Promise.all([lane.ask("INFO", "replication"), lane.ask("TIME")]);
  const answeredAtMs = performance.now();
  const refused = [info, time].find((reply) => reply instanceof ErrorReply);
  if (refused !== undefined) throw unusable(lane, (refused as ErrorReply).message);
  if (!isText(info) || !INFO_HEAD.test(String(info)) || !isTime(time)) {
    const error = unusable(lane, "the replies cannot be trusted any more: not what a server says of itself");
    lane.destroy(error);
    throw error;
  }
  const facts = new Map(
    String(info)
      .split("\r\n")
      .map((line) => line.split(":", 2) as [string, string]),
  );
  const isPrimary = facts.get("role") === "master";
  const offset = facts.get(isPrimary ? "master_repl_offset" : "slave_repl_offset");
  const history = facts.get("master_replid");
  if (history === undefined || offset === undefined || !/^\d+$/.test(offset)) {
    throw unusable(lane, "the server does not say how far its replication has come");
  }
  return {
    isPrimary,
    isLinked: facts.get("master_link_status") === "up",
    history,
    offset: BigInt(offset),
    clock: clockDistance(millisecondsOf(time), askedAtMs, answeredAtMs),
  };
}

function isText(reply: Reply): boolean {
  return typeof reply === "string" || Buffer.isBuffer(reply);
}

function isTime(reply: Reply): reply is Reply[] {
  return Array.isArray(reply) && reply.length === 2 && reply.every((part) => /^\d+$/.test(String(part)));
}

/** Seconds, and microseconds of the next. */
function millisecondsOf([seconds, microseconds]: readonly Reply[]): number {
  return Number(String(seconds)) * 1000 + Number(String(microseconds)) / 1000;
}

function unusable(lane: Lane, message: string): ConnectionError {
  const details = { backend: "redis", reason: "ERR_CONNECTION", retryable: true };
  return new ConnectionError(`${hostPortOf(lane.address)}: ${message}`, details);
}
