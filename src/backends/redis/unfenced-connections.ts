import type { Lane } from "./lane.js";
import type { ConnectionIdentity } from "./wire/handshake.js";

/** Connections that were lost, over which the server may still carry something out. */
export class UnfencedConnections {
  readonly #connections = new Set<ConnectionIdentity>();
  #wereAny = false;

  get connections(): ReadonlySet<ConnectionIdentity> {
    return this.#connections;
  }

  add(connection: ConnectionIdentity): void {
    this.#connections.add(connection);
    this.#wereAny = true;
  }

  haveEnded(connections: readonly ConnectionIdentity[]): void {
    for (const connection of connections) this.#connections.delete(connection);
  }

  /** Has the server end them. */
  endOver(lane: Lane): void {
    for (const connection of this.#connections) {
      // To another run of the server: that one has ended, and all its connections with it.
      if (connection.clientId === undefined || connection.runId !== lane.facts.runId) {
        this.#connections.delete(connection);
      } else {
        lane.end(connection, () => this.#connections.delete(connection));
      }
    }
  }

  /** Whether there have been any since the last question. */
  takeWereAny(): boolean {
    const wereAny = this.#wereAny;
    this.#wereAny = false;
    return wereAny;
  }
}
