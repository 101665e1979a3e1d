/**
 * Where entries with a lifetime wait to be removed. A hashed wheel: one list per slot, an entry in the slot of the
 * tick in which it expires, modulo the number of slots. Entries of a later round are passed over once a rotation,
 * which is why no cascade between levels is needed. Reads judge expiry themselves; the wheel only frees memory, so
 * its ticks can be coarse.
 *
 * A lifetime that is prolonged leaves the entry where it is: the wheel finds it too early, once, and moves it.
 */

export const TICK_MS = 256;
const SLOTS = 2048;

/** A place in a slot's circular list; each slot is headed by one that is no entry. */
export interface WheelNode {
  previous: WheelNode | undefined;
  next: WheelNode | undefined;
}

export interface Expiring extends WheelNode {
  /** Milliseconds of the wheel's clock; 0: never. */
  expiresAtMs: number;
  /** The time under which the entry waits in the wheel; never later than `expiresAtMs`. */
  wheelAtMs: number;
}

export class TimerWheel<Entry extends Expiring> {
  readonly #slots: WheelNode[] = [];
  readonly #expire: (entry: Entry) => void;
  #size = 0;
  /** First tick that has not been worked off. */
  #tick: number;
  /** Where the sweep of the slot of `#tick` goes on; undefined: at its beginning. */
  #cursor: WheelNode | undefined;

  constructor(nowMs: number, expire: (entry: Entry) => void) {
    this.#tick = Math.floor(nowMs / TICK_MS);
    this.#expire = expire;
    for (let slot = 0; slot < SLOTS; slot++) {
      const head: WheelNode = { previous: undefined, next: undefined };
      head.previous = head;
      head.next = head;
      this.#slots.push(head);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** To be called after `expiresAtMs` of the entry changed. */
  schedule(entry: Entry): void {
    if (entry.next !== undefined) {
      if (entry.expiresAtMs >= entry.wheelAtMs) return;
      this.cancel(entry);
    }
    entry.wheelAtMs = entry.expiresAtMs;
    // An entry that expires in a tick already worked off would else wait for a whole rotation.
    const tick = Math.max(Math.floor(entry.expiresAtMs / TICK_MS), this.#tick);
    const head = this.#slots[tick % SLOTS]!;
    entry.previous = head.previous;
    entry.next = head;
    head.previous!.next = entry;
    head.previous = entry;
    this.#size++;
  }

  cancel(entry: Entry): void {
    if (entry.next === undefined) return;
    if (this.#cursor === entry) this.#cursor = entry.next;
    entry.previous!.next = entry.next;
    entry.next.previous = entry.previous;
    entry.previous = undefined;
    entry.next = undefined;
    this.#size--;
  }

  /**
   * Removes what has expired by `nowMs`, looking at no more than `maxSteps` entries and slots.
   * Returns whether it got to the end; if not, call again.
   */
  advance(nowMs: number, maxSteps: number): boolean {
    const end = Math.floor(nowMs / TICK_MS);
    if (this.#size === 0) {
      this.#tick = Math.max(this.#tick, end);
      this.#cursor = undefined;
      return true;
    }
    // One rotation meets every entry, however long nobody called.
    if (end - this.#tick > SLOTS) {
      this.#tick = end - SLOTS;
      this.#cursor = undefined;
    }
    let steps = 0;
    while (this.#tick < end) {
      const head = this.#slots[this.#tick % SLOTS]!;
      let node = this.#cursor ?? head.next!;
      while (node !== head) {
        if (steps++ >= maxSteps) {
          this.#cursor = node;
          return false;
        }
        this.#cursor = node.next;
        this.#visit(node as Entry, nowMs);
        node = this.#cursor!;
      }
      this.#cursor = undefined;
      this.#tick++;
      if (steps++ >= maxSteps) return this.#tick >= end;
    }
    return true;
  }

  #visit(entry: Entry, nowMs: number): void {
    if (entry.expiresAtMs <= nowMs) {
      this.cancel(entry);
      this.#expire(entry);
    } else if (entry.wheelAtMs !== entry.expiresAtMs) {
      this.cancel(entry);
      this.schedule(entry);
    }
  }
}
