/** What happens to the bytes of one direction while it is set. Several may be set together. */
export interface DirectionFaults {
  /**
   * Takes the bytes and passes none on, as a half-open connection does; neither side hears of the other's end. A
   * connection that has lost bytes, or an end, in this way is reset once this is no longer set: its stream has a hole.
   */
  readonly swallow?: boolean;
  /** Holds every piece back so long; order stays. */
  readonly delayMs?: number;
  /** Passes on at most so much. */
  readonly bytesPerSecond?: number;
  /** Passes on one byte a write. */
  readonly trickle?: boolean;
}

/** What becomes of new connections: passed on, not accepted at all, accepted and never answered, closed at once. */
export type AcceptMode = "forward" | "refuse" | "silence" | "close";

/** The faults in force. What is not named is off. */
export interface Faults {
  readonly toServer?: DirectionFaults;
  readonly toClient?: DirectionFaults;
  /** Existing connections stay; cut them to have clients meet this. Default: `forward`. */
  readonly accept?: AcceptMode;
  /** Resets all connections every so many milliseconds. */
  readonly cutEveryMs?: number;
}

export type LengthDamage = "shorter" | "longer" | "absurd" | "swallowing";

/**
 * A fault that happens once, to the next traffic it fits:
 *
 *   lost-ack      a reply has arrived from the server: it is dropped and both sides are reset, so the work was done
 *                 and nobody hears of it
 *   flip-payload  one bit inside a bulk of at least `minBytes` bytes from the server
 *   flip-length   the length of such a bulk: too short, too long, absurd, or so long that it ends where one of the next
 *                 replies does
 *   extra-reply   these bytes are put in front of a reply
 */
export type SingleFault =
  | { readonly kind: "lost-ack" }
  | { readonly kind: "flip-payload"; readonly minBytes?: number }
  | { readonly kind: "flip-length"; readonly minBytes?: number; readonly how: LengthDamage }
  | { readonly kind: "extra-reply"; readonly bytes: Uint8Array };

export interface FaultProxyStatistics {
  /** Connections accepted so far. */
  readonly accepted: number;
  readonly open: number;
  /** Connections reset by `cut`, `cutEveryMs` and the end of `swallow`. */
  readonly cuts: number;
  readonly bytesToServer: number;
  readonly bytesToClient: number;
  readonly bytesSwallowed: number;
}

export interface FaultProxyOptions {
  /** Default: 127.0.0.1. */
  readonly targetHost?: string;
  /** Default: a port that is free. */
  readonly port?: number;
  /**
   * Runs the proxy in a thread of its own, which a busy event loop of the caller cannot slow down. Default: true.
   */
  readonly thread?: boolean;
}

export interface ArmedFault {
  /** Resolves to true when it has happened; to false when `clear` or `close` came first. */
  readonly happened: Promise<boolean>;
}

/** A way to a server on which anything can go wrong, at command. */
export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** Puts exactly these faults in force, for existing connections as well, and resolves when they are. */
  set(faults: Faults): Promise<void>;
  /** Ends all faults, single ones that have not happened included. */
  clear(): Promise<void>;
  /** Resets all connections; resolves to how many there were. */
  cut(): Promise<number>;
  /** Resolves when the fault lies in wait: it meets the next traffic it fits. */
  arm(fault: SingleFault): Promise<ArmedFault>;
  statistics(): Promise<FaultProxyStatistics>;
  /**
   * Resets all connections and stops listening. Idempotent. Afterwards `statistics` tells what was counted until then,
   * `cut` finds nothing to cut, and whatever would set a fault is refused.
   */
  close(): Promise<void>;
}
