import type { Request } from "../backends/request.js";

interface WatchedRequest {
  readonly request: Request;
  /** In the list of its signal. */
  index: number;
}

interface WatchedSignal {
  /** In no order: the last one takes the place of one that leaves. For why it is no Set see `core/keyed-table.ts`. */
  readonly requests: WatchedRequest[];
  readonly forget: () => void;
}

/** The signals of callers, and which requests each of them aborts. */
export class WatchedSignals {
  readonly #onAbort: (requests: readonly Request[], signal: AbortSignal) => void;
  /**
   * One listener a signal: with one a request, each would be compared with all that are there. Weak, because its table
   * does not lead to the next one as that of a Map does (`core/keyed-table.ts`).
   */
  readonly #signals = new WeakMap<AbortSignal, WatchedSignal>();

  constructor(onAbort: (requests: readonly Request[], signal: AbortSignal) => void) {
    this.#onAbort = onAbort;
  }

  /** Until the request's `unwatchSignal` is called. */
  watch(request: Request, signal: AbortSignal): void {
    const watched = this.#signals.get(signal) ?? this.#listenTo(signal);
    const { requests } = watched;
    const entry: WatchedRequest = { request, index: requests.length };
    requests.push(entry);
    request.unwatchSignal = () => {
      const last = requests.pop()!;
      if (last !== entry) {
        requests[entry.index] = last;
        last.index = entry.index;
      }
      if (requests.length === 0) watched.forget();
    };
  }

  #listenTo(signal: AbortSignal): WatchedSignal {
    const requests: WatchedRequest[] = [];
    const onAbort = (): void => {
      this.#signals.delete(signal);
      // A copy: each that is answered leaves the list.
      this.#onAbort(
        requests.map(({ request }) => request),
        signal,
      );
    };
    const forget = (): void => {
      this.#signals.delete(signal);
      signal.removeEventListener("abort", onAbort);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const watched = { requests, forget };
    this.#signals.set(signal, watched);
    return watched;
  }
}
