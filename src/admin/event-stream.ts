import type { ServerResponse } from "node:http";

/** A page that has read nothing for so long is gone, or too slow to be of use to anyone. */
const STALLED_MS = 15_000;

/**
 * Server-Sent Events to one page. What a slow reader has not taken yet is never piled up: while the socket is full,
 * further messages are left out, and the page goes on with the newest once there is room.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #nowMs: () => number;
  #fullSinceMs: number | undefined;

  constructor(response: ServerResponse, nowMs: () => number) {
    this.#response = response;
    this.#nowMs = nowMs;
    response.on("drain", () => {
      this.#fullSinceMs = undefined;
    });
  }

  /** @returns whether the message was sent rather than left out */
  send(event: string, content: unknown): boolean {
    if (this.#response.destroyed) return false;
    if (this.#fullSinceMs !== undefined) {
      if (this.#nowMs() - this.#fullSinceMs >= STALLED_MS) this.#response.destroy();
      return false;
    }
    const hasRoom = this.#response.write(`event: ${event}\ndata: ${JSON.stringify(content)}\n\n`);
    if (!hasRoom) this.#fullSinceMs = this.#nowMs();
    return true;
  }

  end(): void {
    this.#response.end();
  }
}
