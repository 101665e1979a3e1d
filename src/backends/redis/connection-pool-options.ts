import type { DriverContext } from "../contract.js";
import type { Request } from "../request.js";
import type { ChangeFeed } from "./change-feed.js";
import type { ControlAddress } from "./control-connection.js";
import type { ReconnectWaits } from "./reconnect-delay.js";
import type { TlsMaterial } from "./wire/open-socket.js";

export interface PoolLimits {
  readonly min: number;
  readonly max: number;
  readonly idleMs: number;
  /** As `BusyPoll` takes it. Default: 0. */
  readonly busyPollMs?: number;
}

export interface ConnectionPoolOptions {
  readonly address: ControlAddress;
  readonly context: DriverContext;
  readonly limits: PoolLimits;
  readonly retry: ReconnectWaits;
  readonly libraryVersion: string;
  readonly feed: ChangeFeed | undefined;
  readonly tls: () => Promise<TlsMaterial | undefined>;
  /** Nothing is due on any lane, and the lanes are about to change. True: something was sent, and they have to wait. */
  readonly beforeChange: () => boolean;
  /** What the address leads to is another server now, and nothing is due on the one before any more. */
  readonly onRelocated: () => void;
  /** Whether something is under way elsewhere that may be asked of this server: one connection is kept for it. */
  readonly isAwaited: () => boolean;
  /** As `LaneOptions` has it. */
  readonly onWrittenAgain: (request: Request) => void;
}
