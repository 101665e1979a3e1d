import type { CanonicalKey } from "../../core/key.js";
import type { ClockDistance } from "../replicas/clock-distance.js";
import type { Statements } from "./statements.js";
import type { ValueLimits } from "./value-answers.js";
import type { WireSession } from "./wire/wire-session.js";

/** A server to read from. */
export interface ChosenReplica {
  readonly session: WireSession;
  /** So far the primary's clock is ahead of its own. */
  readonly primaryAhead: ClockDistance;
  /** It is being asked; the result is to be called when it has answered, or will not. */
  asked(): () => void;
  /** Whether it may not be asked for this key. */
  mayLack(key: CanonicalKey): boolean;
}

export interface ReadReplicas {
  /** undefined: none is fresh enough. */
  choose(): ChosenReplica | undefined;
}

export interface JobSurroundings extends ValueLimits {
  readonly keyPrefix: string;
  /** What is sent at once; undefined: what the server takes. */
  readonly maxSentBytes?: number | undefined;
  /** Where reads may go; undefined: to the primary alone. */
  readonly replicas?: ReadReplicas;
  statements(): Statements;
  /** Whether a batch that writes this key is on its way. */
  isBeingWritten(key: CanonicalKey): boolean;
  /** Whether a batch that came before this job is asking the primary for something of this key. */
  isBeingRead(key: CanonicalKey, job: object): boolean;
}
