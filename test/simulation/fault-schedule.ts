import { below, pick, type Random } from "../../bench/lib/rng.js";
import type { SimulatedDriver } from "./simulated-driver.js";
import type { SimulatedLoop } from "./simulated-loop.js";
import type { SimulatedServer } from "./simulated-server.js";

export const FAULTS = [
  "cut",
  "cut-losing",
  "lost-reply",
  "down",
  "frozen",
  "requests-swallowed",
  "replies-swallowed",
  "clogged",
  "slow",
  "refusing",
  "stalled",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Brings faults about at times that are drawn, each for a while; all are over by the end. */
export class FaultSchedule {
  readonly #loop: SimulatedLoop;
  readonly #server: SimulatedServer;
  readonly #drivers: readonly SimulatedDriver[];
  readonly #random: Random;
  readonly #onFault: (fault: Fault, forMs: number) => void;
  /** How many of the same kind are under way: the last one ends it. */
  readonly #underWay = new Map<Fault, number>();
  /** Milliseconds for which callbacks were kept waiting. */
  stalledMs = 0;

  constructor(
    loop: SimulatedLoop,
    server: SimulatedServer,
    drivers: readonly SimulatedDriver[],
    random: Random,
    onFault: (fault: Fault, forMs: number) => void,
  ) {
    this.#loop = loop;
    this.#server = server;
    this.#drivers = drivers;
    this.#random = random;
    this.#onFault = onFault;
  }

  plan(count: number, withinMs: number, longestMs: number): void {
    for (let i = 0; i < count; i++) {
      const fault = pick(this.#random, FAULTS);
      const forMs = this.#random() * longestMs;
      this.#loop.setTimer(this.#random() * withinMs, () => this.#strike(fault, forMs));
    }
  }

  #strike(fault: Fault, forMs: number): void {
    this.#onFault(fault, forMs);
    const { troubles } = this.#server;
    switch (fault) {
      case "cut":
      case "cut-losing":
        this.#server.cutAll(fault === "cut-losing");
        break;
      case "lost-reply":
        troubles.swallowsReplies = true;
        this.#loop.setTimer(1, () => {
          this.#server.cutAll(false);
          this.#over("replies-swallowed");
        });
        this.#begin("replies-swallowed");
        break;
      case "down":
        this.#server.kill();
        this.#while(fault, forMs);
        break;
      case "frozen":
        troubles.isFrozen = true;
        this.#while(fault, forMs);
        break;
      case "requests-swallowed":
        troubles.swallowsRequests = true;
        this.#while(fault, forMs);
        break;
      case "replies-swallowed":
        troubles.swallowsReplies = true;
        this.#while(fault, forMs);
        break;
      case "clogged":
        troubles.isClogged = true;
        this.#while(fault, forMs);
        break;
      case "slow":
        troubles.latencyMs = 1 + below(this.#random, 20);
        this.#while(fault, forMs);
        break;
      case "refusing":
        troubles.refusal = pick(this.#random, ["LOADING", "READONLY", "OOM", "NOPERM"] as const);
        this.#while(fault, forMs);
        break;
      case "stalled": {
        const stallMs = forMs / 4;
        this.stalledMs += stallMs;
        this.#loop.take(stallMs);
        break;
      }
    }
  }

  #while(fault: Fault, forMs: number): void {
    this.#begin(fault);
    this.#loop.setTimer(forMs, () => this.#over(fault));
  }

  #begin(fault: Fault): void {
    this.#underWay.set(fault, (this.#underWay.get(fault) ?? 0) + 1);
  }

  #over(fault: Fault): void {
    const left = this.#underWay.get(fault)! - 1;
    this.#underWay.set(fault, left);
    if (left > 0) return;
    const { troubles } = this.#server;
    if (fault === "down") troubles.isDown = false;
    else if (fault === "frozen") this.#server.thaw();
    else if (fault === "requests-swallowed") troubles.swallowsRequests = false;
    else if (fault === "replies-swallowed") troubles.swallowsReplies = false;
    else if (fault === "slow") troubles.latencyMs = 0.2;
    else if (fault === "refusing") troubles.refusal = undefined;
    else {
      troubles.isClogged = false;
      for (const driver of this.#drivers) driver.unclogged();
    }
  }
}
