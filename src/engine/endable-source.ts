/**
 * What a caller's iterable gives, pulled by one consumer, one after the other. It can be ended while it owes something: a
 * promise of the caller's that never settles holds up nothing then.
 */
export class EndableSource<T> implements AsyncIterableIterator<T> {
  readonly #entries: Iterable<T> | AsyncIterable<T>;
  readonly #reason: () => Error;
  /** undefined: nothing was asked for yet. */
  #iterator: AsyncIterator<T> | Iterator<T | PromiseLike<T>> | undefined;
  #state: "open" | "hurried" | "over" = "open";
  /** Rejects what was asked for and has not been given. */
  #giveUp: ((reason: Error) => void) | undefined;

  /** @param reason what is thrown in place of an entry once it was ended */
  constructor(entries: Iterable<T> | AsyncIterable<T>, reason: () => Error) {
    this.#entries = entries;
    this.#reason = reason;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    return this.#owed(() => this.#pull());
  }

  /** The consumer wants no more. */
  return(): Promise<IteratorResult<T>> {
    return this.#owed(async () => {
      this.#state = "over";
      await this.#iterator?.return?.();
      return { done: true, value: undefined };
    });
  }

  /** From now on it is ended by whatever it does not give within the turn of the event loop. */
  hurry(): void {
    if (this.#state === "open") this.#state = "hurried";
    this.#endUnlessGiven();
  }

  /** Has no effect if it came to its end by itself. The iterator is told, and not waited for. */
  end(): void {
    const giveUp = this.#giveUp;
    this.#giveUp = undefined;
    if (this.#state !== "over") {
      this.#state = "over";
      // An `async` function, so that neither a throw nor a rejection goes anywhere.
      const tell = async (): Promise<unknown> => this.#iterator?.return?.();
      tell().catch(() => {});
    }
    giveUp?.(this.#reason());
  }

  async #pull(): Promise<IteratorResult<T>> {
    if (this.#state === "over") throw this.#reason();
    try {
      this.#iterator ??= iteratorOf(this.#entries);
      const result = await this.#iterator.next();
      if (result.done !== true) return { done: false, value: await result.value };
    } catch (error) {
      this.#state = "over";
      throw error;
    }
    this.#state = "over";
    return { done: true, value: undefined };
  }

  #owed<R>(give: () => Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      // Before it is asked, so that it has no more than what is left of this turn.
      if (this.#state === "hurried") this.#endUnlessGiven();
      const given = (): void => {
        if (this.#giveUp === reject) this.#giveUp = undefined;
      };
      give().then(
        (result) => {
          given();
          resolve(result);
        },
        (error: unknown) => {
          given();
          reject(error);
        },
      );
    });
  }

  #endUnlessGiven(): void {
    const owed = this.#giveUp;
    if (owed === undefined) return;
    setImmediate(() => {
      if (this.#giveUp === owed) this.end();
    });
  }
}

function iteratorOf<T>(entries: Iterable<T> | AsyncIterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in entries ? entries[Symbol.asyncIterator]() : entries[Symbol.iterator]();
}
