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

/** Whether requests should be sent to this process: the engine is open, its circuit is closed, its store answers. */
export class ReadinessProbe {
  readonly #engine: Pick<Engine, "healthCheck" | "stats">;
  readonly #clock: Clock;
  #kept: { readonly readiness: Promise<Readiness>; readonly fromMs: number } | undefined;

  constructor(engine: Pick<Engine, "healthCheck" | "stats">, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  read(): Promise<Readiness> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#kept === undefined || nowMs - this.#kept.fromMs >= KEEP_MS) {
      this.#kept = { readiness: this.#probe(), fromMs: nowMs };
    }
    return this.#kept.readiness;
  }

  async #probe(): Promise<Readiness> {
    const { circuit } = this.#engine.stats();
    const circuitCheck: ReadinessCheck = { name: "circuit", ok: circuit !== "open", detail: circuit };
    try {
      const health = await withinMs(this.#engine.healthCheck(), PROBE_TIMEOUT_MS);
      const store: ReadinessCheck =
        health === undefined
          ? { name: "store", ok: false, detail: `no answer within ${PROBE_TIMEOUT_MS} ms` }
          : { name: "store", ok: health.healthy, detail: health.detail };
      return readinessOf(health?.backend ?? "", [{ name: "engine", ok: true, detail: "open" }, circuitCheck, store]);
    } catch (error) {
      const closed = error instanceof StateError && error.code === "CLOSED";
      const detail = error instanceof StateError ? error.message : "the health check failed";
      return readinessOf("", [
        { name: "engine", ok: !closed, detail: closed ? "closing" : "open" },
        circuitCheck,
        ...(closed ? [] : [{ name: "store", ok: false, detail } as const]),
      ]);
    }
  }
}

function readinessOf(backend: string, checks: readonly ReadinessCheck[]): Readiness {
  return { ready: checks.every(({ ok }) => ok), backend, checks };
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
