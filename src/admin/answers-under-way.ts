import { once } from "node:events";
import type { Server, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

/** Answers that have been begun and are not with the operating system yet. */
export class AnswersUnderWay {
  readonly #responses = new Set<ServerResponse>();

  constructor(server: Server) {
    server.on("request", (_request, response: ServerResponse) => {
      this.#responses.add(response);
      response.once("close", () => this.#responses.delete(response));
    });
  }

  /** Resolves when all are sent, or after so many milliseconds. */
  async sent(limitMs: number): Promise<void> {
    const stop = new AbortController();
    const endings = [...this.#responses].map((response) => once(response, "close"));
    await Promise.race([Promise.all(endings), delay(limitMs, undefined, { signal: stop.signal }).catch(() => {})]);
    stop.abort();
  }
}
