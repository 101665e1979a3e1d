import type { Command, SimulatedServer } from "./simulated-server.js";
import type { Answer } from "./simulated-store.js";

/** One connection, seen from both ends: commands arrive in order, replies come back in order, until it ends. */
export class SimulatedConnection {
  readonly #server: SimulatedServer;
  readonly #onLost: (how: string) => void;
  readonly #onProgress: () => void;
  /** Sent and not answered. */
  readonly due: Command[] = [];
  /** Given to the connection and still in the process. */
  readonly unsent: Command[] = [];
  /** Received by the server and not read. */
  readonly inbox: Command[] = [];
  isOpen = true;
  #lastArrivalMs = 0;
  #lastReplyMs = 0;

  constructor(server: SimulatedServer, onLost: (how: string) => void, onProgress: () => void) {
    this.#server = server;
    this.#onLost = onLost;
    this.#onProgress = onProgress;
  }

  send(command: Command): void {
    this.due.push(command);
    this.unsent.push(command);
    this.flush();
  }

  /** Lets bytes leave the process, if they can. */
  flush(): void {
    const { loop, troubles } = this.#server;
    if (troubles.isClogged || !this.isOpen) return;
    for (const command of this.unsent.splice(0)) {
      // Swallowed now or never: later bytes of a connection cannot arrive without the earlier ones.
      this.#lastArrivalMs = Math.max(this.#lastArrivalMs, loop.nowMs() + this.#server.latencyMs());
      loop.setTimer(this.#lastArrivalMs - loop.nowMs(), () => this.#arrive(command));
    }
  }

  /** The client has given it up, or was told that it is gone. */
  lost(how: string): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.unsent.length = 0;
    const due = this.due.splice(0);
    for (const command of due) command.lose();
    this.#onLost(how);
  }

  reply(command: Command, answers: readonly Answer[]): void {
    const { loop, troubles } = this.#server;
    if (troubles.swallowsReplies) this.#isDeaf = true;
    if (this.#isDeaf) return;
    this.#lastReplyMs = Math.max(this.#lastReplyMs, loop.nowMs() + this.#server.latencyMs());
    loop.setTimer(this.#lastReplyMs - loop.nowMs(), () => {
      if (!this.isOpen) return;
      if (this.due[0] !== command) throw new Error("the simulated connection has lost its order");
      this.due.shift();
      this.#onProgress();
      command.settle(answers);
    });
  }

  #isMute = false;
  #isDeaf = false;

  #arrive(command: Command): void {
    // A stream with a gap is none: once bytes were swallowed nothing behind them is read.
    if (this.#server.troubles.swallowsRequests) this.#isMute = true;
    if (this.#isMute || !this.#server.knows(this)) return;
    this.inbox.push(command);
    this.#server.work(this);
  }
}
