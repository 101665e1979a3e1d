import type { Clock } from "../core/clock.js";
import { StateError } from "../core/errors.js";
import type { Engine } from "../engine/engine-contract.js";

/** Probes of an orchestrator come from every node at once; the store is asked once a second for all of them. */
const KEEP_MS = 1000;
const PROBE_TIMEOUT_MS = 2000;

export interface ReadinessCheck {
  readonly name: "engine" | "circuit" | "store";
  readonly ok: boolean;
  readonly detail: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly backend: string;
  readonly checks: readonly ReadinessCheck[];
}

interface StoreAnswer {
  readonly backend: string;
  readonly check: ReadinessCheck;
}

type ProbedEngine = Pick<Engine, "get" | "healthCheck" | "stats">;

const ABORTED = AbortSignal.abort();

/** Whether requests should be sent to this process: the engine is open, its circuit is closed, its store answers. */
export class ReadinessProbe {
  readonly #engine: ProbedEngine;
  readonly #clock: Clock;
  #kept: { readonly store: Promise<StoreAnswer>; readonly fromMs: number } | undefined;

  constructor(engine: ProbedEngine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  async read(): Promise<Readiness> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#kept === undefined || nowMs - this.#kept.fromMs >= KEEP_MS) {
      this.#kept = { store: this.#probe(), fromMs: nowMs };
    }
    const { backend, check } = await this.#kept.store;
    // What this process knows of itself is never a second old.
    const isClosed = await this.#isClosed();
    const { circuit } = this.#engine.stats();
    const checks: ReadinessCheck[] = [
      { name: "engine", ok: !isClosed, detail: isClosed ? "closing" : "open" },
      { name: "circuit", ok: circuit !== "open", detail: circuit },
      ...(isClosed ? [] : [check]),
    ];
    return { ready: checks.every(({ ok }) => ok), backend, checks };
  }

  /** A call that is aborted before it is made gets as far as the engine's door. */
  async #isClosed(): Promise<boolean> {
    try {
      await this.#engine.get("readiness", { signal: ABORTED });
      return false;
    } catch (error) {
      return error instanceof StateError && error.code === "CLOSED";
    }
  }

  async #probe(): Promise<StoreAnswer> {
    try {
      const health = await withinMs(this.#engine.healthCheck(), PROBE_TIMEOUT_MS);
      if (health === undefined) return noAnswer(`no answer within ${PROBE_TIMEOUT_MS} ms`);
      return { backend: health.backend, check: { name: "store", ok: health.healthy, detail: health.detail } };
    } catch (error) {
      return noAnswer(error instanceof StateError ? error.message : "the health check failed");
    }
  }
}

function noAnswer(detail: string): StoreAnswer {
  return { backend: "", check: { name: "store", ok: false, detail } };
}

async function withinMs<T>(work: Promise<T>, limitMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, limitMs, undefined);
  });
  // Whichever is first decides; the other's failure has nobody left to tell.
  work.catch(() => {});
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}
