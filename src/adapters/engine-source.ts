import { ClosedError } from "../core/errors.js";
import type { Engine } from "../engine/engine-contract.js";
import { createEngine } from "../engine/open-engine.js";
import type { EngineOptions } from "../engine/options.js";

/** An engine, which stays its owner's to close, or what `createEngine` takes. */
export type EngineInput = Engine | EngineOptions | string;

type State =
  | { readonly kind: "given"; readonly engine: Engine }
  | { readonly kind: "unopened" }
  | { readonly kind: "opened"; readonly engine: Promise<Engine> }
  | { readonly kind: "closed"; readonly done: Promise<void> };

/** The engine behind an adapter whose interface has no moment for opening: options are opened by the first call. */
export class EngineSource {
  readonly #options: EngineOptions | string | undefined;
  #state: State;

  constructor(input: EngineInput) {
    const isEngine = typeof input === "object" && input !== null && "batchGet" in input;
    this.#options = isEngine ? undefined : (input as EngineOptions | string);
    this.#state = isEngine ? { kind: "given", engine: input as Engine } : { kind: "unopened" };
  }

  /** An engine that could not be opened is opened again by the next call. */
  engine(): Promise<Engine> {
    const state = this.#state;
    if (state.kind === "given") return Promise.resolve(state.engine);
    if (state.kind === "opened") return state.engine;
    if (state.kind === "closed")
      return Promise.reject(new ClosedError("the adapter is closed", { reason: "ERR_CLOSED" }));
    const engine = createEngine(this.#options);
    this.#state = { kind: "opened", engine };
    engine.catch(() => {
      if (this.#state.kind === "opened") this.#state = { kind: "unopened" };
    });
    return engine;
  }

  /** Closes the engine if it was opened here. Each call waits until it is closed. */
  close(): Promise<void> {
    const state = this.#state;
    if (state.kind === "given") return Promise.resolve();
    if (state.kind === "closed") return state.done;
    const done = state.kind === "opened" ? closeOpened(state.engine) : Promise.resolve();
    this.#state = { kind: "closed", done };
    return done;
  }
}

async function closeOpened(engine: Promise<Engine>): Promise<void> {
  // One that could not be opened has told its callers so.
  const opened = await engine.catch(() => undefined);
  await opened?.close();
}
