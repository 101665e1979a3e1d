interface AwaitedAnswer<Peer> {
  readonly peer: Peer;
  readonly askedAtMs: number;
}

/**
 * Answers that are awaited for so long and no longer, whatever else comes from the same peer meanwhile: one that sends
 * something now and then is not silent, and may be late all the same.
 */
export class LateAnswers<Peer> {
  readonly #patienceMs: number;
  readonly #leave: (peer: Peer, patienceMs: number) => void;
  /** The oldest first. */
  readonly #awaited = new Set<AwaitedAnswer<Peer>>();
  /** For the oldest, or one before it. */
  #timer: NodeJS.Timeout | undefined;

  /** @param leave called once for a peer that is late; has to end all that is awaited from it */
  constructor(patienceMs: number, leave: (peer: Peer, patienceMs: number) => void) {
    this.#patienceMs = patienceMs;
    this.#leave = leave;
  }

  /** The result is to be called when the answer is there, or will not come. */
  begin(peer: Peer): () => void {
    const answer = { peer, askedAtMs: performance.now() };
    this.#awaited.add(answer);
    if (this.#timer === undefined) this.#watch(this.#patienceMs);
    return () => void this.#awaited.delete(answer);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #watch(delayMs: number): void {
    this.#timer = setTimeout(() => {
      // If this process was busy itself, answers wait in the socket, which is read after the timers of a turn.
      setImmediate(() => this.#leaveTheLate());
    }, delayMs);
    this.#timer.unref();
  }

  #leaveTheLate(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    const late = new Set<Peer>();
    let oldestMs: number | undefined;
    for (const { peer, askedAtMs } of this.#awaited) {
      if (nowMs - askedAtMs >= this.#patienceMs) late.add(peer);
      else if (!late.has(peer)) oldestMs ??= askedAtMs;
    }
    for (const peer of late) this.#leave(peer, this.#patienceMs);
    // What was left may have been asked anew.
    if (oldestMs === undefined || this.#timer !== undefined) return;
    this.#watch(Math.ceil(oldestMs + this.#patienceMs - nowMs));
  }
}
