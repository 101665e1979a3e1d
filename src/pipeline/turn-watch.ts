import type { EventLoop } from "../core/event-loop.js";

/**
 * How long batches may keep one turn of the event loop, by their compression or because the store answers at once and
 * its callers' next operations come in the same turn.
 */
const MAX_TURN_MS = 2;
const WATCHED_TURNS = 64;

/**
 * Sees to it that the event loop turns: a store that answers at once brings its callers' next operations in the same
 * turn, and again, and timers and sockets would never have theirs; so do batch after batch of large values.
 */
export class TurnWatch {
  readonly #loop: EventLoop;
  readonly #onReleased: () => void;
  /** Turns to look at the time in. */
  #turnsLeft = 0;
  /** The loop is asked to say when it has turned since then; 0: it is not. */
  #turnBeganMs = 0;
  /** Nothing may leave before the loop has turned. */
  isHeld = false;

  /** @param onReleased called when what was held may go on */
  constructor(loop: EventLoop, onReleased: () => void) {
    this.#loop = loop;
    this.#onReleased = onReleased;
  }

  /** There is reason to look: a batch settled before `execute` returned, or was large. */
  begin(): void {
    this.#turnsLeft = WATCHED_TURNS;
  }

  /** Whether this turn has been used up; then things are held until the next. */
  isUsedUp(): boolean {
    if (this.#turnsLeft === 0) return false;
    if (this.#turnBeganMs !== 0) {
      this.isHeld = this.#loop.nowMs() - this.#turnBeganMs >= MAX_TURN_MS;
      return this.isHeld;
    }
    this.#turnBeganMs = this.#loop.nowMs();
    this.#loop.inNextTurn(this.#turned);
    return false;
  }

  readonly #turned = (): void => {
    this.#turnBeganMs = 0;
    this.#turnsLeft--;
    if (!this.isHeld) return;
    this.isHeld = false;
    this.#onReleased();
  };
}
