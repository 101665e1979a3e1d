import { channel } from "node:diagnostics_channel";
import type { SloBurn } from "./slo-report.js";
import type { SlowOperation } from "./slow-log.js";

/** How many operations of each sort travel in a batch, as the store is asked: what was coalesced counts once. */
export interface BatchCommands {
  readonly gets: number;
  readonly contains: number;
  readonly deletes: number;
  readonly puts: number;
  readonly others: number;
}

/** A batch is handed to the store. */
export interface BatchSent {
  readonly backend: string;
  /** Position in the order of this engine's batches. */
  readonly sequence: number;
  /** Operations of callers, the coalesced ones included. */
  readonly size: number;
  /** Of keys and values, estimated for strings. */
  readonly bytes: number;
  /** What the store is asked for, where all of it is one operation, such as `get`; null: there are several. */
  readonly operation: string | null;
  readonly commands: BatchCommands;
}

/** All operations of a batch have their answer, or return to the queue to be tried again. */
export interface BatchCompleted extends BatchSent {
  /** Milliseconds since 1970 at which it was handed to the store. */
  readonly sentAtMs: number;
  /** From then until now. */
  readonly durationMs: number;
  /** Until all of it was encoded and handed on; 0 where the store does not tell. */
  readonly encodedAfterMs: number;
  /** Until its last answers arrived; the whole duration where the store does not tell. */
  readonly answeredAfterMs: number;
  /** Code of the first error of one of its operations; null: none failed. */
  readonly error: string | null;
}

/** An operation failed for good. Never holds a value. */
export interface OperationFailed {
  readonly backend: string;
  readonly operation: string;
  /** Printable and cut at 64 bytes. */
  readonly key: string;
  readonly code: string;
  readonly reason: string | null;
  readonly outcome: "not-applied" | "unknown";
  readonly latencyMs: number;
}

/** Operations that share one fate are sent again. */
export interface Retry {
  readonly backend: string;
  readonly operation: string;
  readonly key: string;
  /** Of the failure that is answered with another attempt. */
  readonly code: string;
  readonly reason: string | null;
  /** Attempts that have failed, this one included. */
  readonly failedAttempts: number;
  /** How many operations. */
  readonly operations: number;
}

export interface CircuitChanged {
  readonly backend: string;
  readonly from: "closed" | "open" | "half-open";
  readonly to: "closed" | "open" | "half-open";
}

export interface Reconnected {
  readonly backend: string;
}

export interface BudgetBurns extends SloBurn {
  readonly backend: string;
}

/** Names and messages of all channels. */
export interface ChannelMessages {
  "millrace:batch:sent": BatchSent;
  "millrace:batch:completed": BatchCompleted;
  "millrace:operation:slow": SlowOperation;
  "millrace:operation:failed": OperationFailed;
  "millrace:retry": Retry;
  "millrace:circuit": CircuitChanged;
  "millrace:reconnected": Reconnected;
  "millrace:slo:burn": BudgetBurns;
}
export type ChannelName = keyof ChannelMessages;

/** A channel of `node:diagnostics_channel` that knows its messages. Ask `hasSubscribers` before making one. */
export interface TypedChannel<Message> {
  readonly hasSubscribers: boolean;
  publish(message: Message): void;
}

function typed<Name extends ChannelName>(name: Name): TypedChannel<ChannelMessages[Name]> {
  return channel(name);
}

/** What engines tell whoever listens; messages without listeners are not made. */
export const channels = {
  batchSent: typed("millrace:batch:sent"),
  batchCompleted: typed("millrace:batch:completed"),
  operationSlow: typed("millrace:operation:slow"),
  operationFailed: typed("millrace:operation:failed"),
  retry: typed("millrace:retry"),
  circuit: typed("millrace:circuit"),
  reconnected: typed("millrace:reconnected"),
  sloBurn: typed("millrace:slo:burn"),
} as const;

export const CHANNEL_NAMES: readonly ChannelName[] = [
  "millrace:batch:sent",
  "millrace:batch:completed",
  "millrace:operation:slow",
  "millrace:operation:failed",
  "millrace:retry",
  "millrace:circuit",
  "millrace:reconnected",
  "millrace:slo:burn",
];
