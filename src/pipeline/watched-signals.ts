import type { Request } from "../backends/request.js";

/** A class, as `shortLivedList` says of literals. */
class WatchedRequest {
  readonly request: Request;
  /** In the list of its signal. */
  index: number;

  constructor(request: Request, index: number) {
    this.request = request;
    this.index = index;
  }
}

class WatchedSignal {
  /** In no order: the last one takes the place of one that leaves. For why it is no Set see `core/keyed-table.ts`. */
  readonly #requests: (WatchedRequest | undefined)[] = [];
  /** A list that is shortened gives its memory back, and takes new when it grows again. */
  #count = 0;

  get requests(): readonly Request[] {
    return this.#requests.slice(0, this.#count).map((entry) => entry!.request);
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  add(request: Request): WatchedRequest {
    const entry = new WatchedRequest(request, this.#count);
    this.#requests[this.#count++] = entry;
    return entry;
  }

  remove({ index }: WatchedRequest): void {
    const last = this.#requests[--this.#count]!;
    this.#requests[this.#count] = undefined;
    if (last.index === index) return;
    this.#requests[index] = last;
    last.index = index;
  }
}

interface Listened {
  readonly watched: WatchedSignal;
  readonly forget: () => void;
}

/** The signals of callers, and which requests each of them aborts. */
export class WatchedSignals {
  readonly #onAbort: (requests: readonly Request[], signal: AbortSignal) => void;
  /**
   * One listener a signal: with one a request, each would be compared with all that are there. Weak, because its table
   * does not lead to the next one as that of a Map does (`core/keyed-table.ts`).
   */
  readonly #signals = new WeakMap<AbortSignal, Listened>();

  constructor(onAbort: (requests: readonly Request[], signal: AbortSignal) => void) {
    this.#onAbort = onAbort;
  }

  /** Until the request's `unwatchSignal` is called. */
  watch(request: Request, signal: AbortSignal): void {
    const listened = this.#signals.get(signal) ?? this.#listenTo(signal);
    const { watched } = listened;
    const entry = watched.add(request);
    request.unwatchSignal = () => {
      watched.remove(entry);
      if (watched.isEmpty) listened.forget();
    };
  }

  #listenTo(signal: AbortSignal): Listened {
    const watched = new WatchedSignal();
    const onAbort = (): void => {
      this.#signals.delete(signal);
      // Taken together: each that is answered leaves.
      this.#onAbort(watched.requests, signal);
    };
    const forget = (): void => {
      this.#signals.delete(signal);
      signal.removeEventListener("abort", onAbort);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const listened = { watched, forget };
    this.#signals.set(signal, listened);
    return listened;
  }
}
