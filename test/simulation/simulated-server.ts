import { type Random, seededRandom } from "../../bench/lib/rng.js";
import { Kind, keysOf, type Request } from "../../src/backends/request.js";
import { BackendError } from "../../src/core/errors.js";
import type { SimulatedConnection } from "./simulated-connection.js";
import type { SimulatedLoop } from "./simulated-loop.js";
import { type Answer, isReading, SimulatedStore } from "./simulated-store.js";

/** Requests that the server carries out together, and its answer to them. */
export interface Command {
  readonly requests: readonly Request[];
  /** First half of a compare-and-swap in two trips: it looks and changes nothing. */
  readonly looksOnly: boolean;
  readonly settle: (answers: readonly Answer[]) => void;
  readonly lose: () => void;
}

/** What is wrong with the way to the server and with the server itself, just now. */
export class Troubles {
  /** Milliseconds each way. */
  latencyMs = 0.2;
  /** Nothing listens. */
  isDown = false;
  /** It reads and answers nothing, and does so later. */
  isFrozen = false;
  /** Bytes vanish; the sockets stay. */
  swallowsRequests = false;
  swallowsReplies = false;
  /** Bytes stay in the client's process. */
  isClogged = false;
  /** Commands are answered with this error; OOM only to writes, NOPERM to those with a forbidden key among theirs. */
  refusal: "LOADING" | "READONLY" | "OOM" | "NOPERM" | undefined = undefined;
}

export class SimulatedServer {
  readonly store = new SimulatedStore();
  readonly troubles = new Troubles();
  readonly loop: SimulatedLoop;
  readonly #random: Random;
  readonly #connections = new Set<SimulatedConnection>();

  constructor(loop: SimulatedLoop, seed: number) {
    this.loop = loop;
    this.#random = seededRandom(seed);
  }

  /** Milliseconds that the next piece takes. */
  latencyMs(): number {
    return this.troubles.latencyMs * (0.5 + this.#random());
  }

  accept(connection: SimulatedConnection): void {
    this.#connections.add(connection);
  }

  /** Forgets a connection and whatever came over it and was not read. */
  end(connection: SimulatedConnection): void {
    this.#connections.delete(connection);
    connection.inbox.length = 0;
  }

  knows(connection: SimulatedConnection): boolean {
    return this.#connections.has(connection);
  }

  /** Both sides notice, the client at once; what the server has received may still be carried out. */
  cutAll(loses: boolean): void {
    for (const connection of [...this.#connections]) {
      if (loses) this.end(connection);
      connection.lost("reset");
    }
  }

  kill(): void {
    this.troubles.isDown = true;
    for (const connection of [...this.#connections]) {
      this.end(connection);
      connection.lost("reset");
    }
  }

  thaw(): void {
    this.troubles.isFrozen = false;
    for (const connection of [...this.#connections]) this.work(connection);
  }

  work(connection: SimulatedConnection): void {
    while (!this.troubles.isFrozen && this.knows(connection)) {
      const command = connection.inbox.shift();
      if (command === undefined) return;
      connection.reply(command, this.#answers(command));
    }
  }

  #answers(command: Command): Answer[] {
    const { requests } = command;
    if (this.troubles.refusal === "NOPERM" && requests.some((request) => keysOf(request).some(isForbidden))) {
      const isShared = requests.length > 1;
      const error = new BackendError("NOPERM", { reason: "NOPERM", retryable: isShared });
      return requests.map(() => ({ error, isShared }));
    }
    return requests.map((request) => {
      const refusal = this.#refusalOf(request);
      if (refusal !== undefined) return { error: refusal };
      if (!command.looksOnly) return this.store.execute(request);
      return { result: this.store.data.get(request.key)?.text ?? null };
    });
  }

  #refusalOf(request: Request): BackendError | undefined {
    const { refusal } = this.troubles;
    if (refusal === undefined || refusal === "NOPERM") return undefined;
    const refusesReads = refusal === "LOADING";
    if (isReading(request.kind) && !refusesReads) return undefined;
    if (refusal === "OOM" && request.kind === Kind.delete) return undefined;
    return new BackendError(refusal, { reason: refusal, retryable: refusal !== "OOM" });
  }
}

function isForbidden(key: string): boolean {
  return key.charCodeAt(key.length - 1) % 3 === 0;
}
