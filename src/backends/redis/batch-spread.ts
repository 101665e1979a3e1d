import type { ConnectionError, StateError } from "../../core/errors.js";
import type { CanonicalKey } from "../../core/key.js";
import { keyHash } from "../../core/key-hash.js";
import type { Batch } from "../batch.js";
import { DividedBatch } from "../divided-batch.js";
import { keysOf, type Request } from "../request.js";
import { failAll, type Lane } from "./lane.js";

/** Sends a batch, or the part of one that concerns the lane. */
export type SendOver = (lane: Lane, batch: Batch, isPart: boolean) => void;

export interface BatchSpreadOptions {
  readonly send: SendOver;
  /** Whether this was sent to another server, over no lane. */
  readonly isElsewhere: (request: Request) => boolean;
  /** Where nothing that is due stands in the way of a change of lanes, or of a batch that needs them all. */
  readonly awaitQuiet: () => void;
  readonly onBatchEnded: () => void;
  readonly notConnected: () => StateError;
}

/**
 * Sends batches over several lanes: what concerns a key over the lane of its key, so that whatever is asked of it keeps
 * its order. A batch with keys of several lanes is divided into one for each. A transaction whose keys belong to several
 * lanes waits until nothing is due on any, with whatever comes behind it, and runs alone.
 */
export class BatchSpread {
  readonly #options: BatchSpreadOptions;
  /** Not sent yet: first one whose transaction needs all lanes, then what came behind it. */
  #held: Batch[] = [];
  /** Was held, and has been sent over this lane, whatever the lanes of its keys: nothing else may be sent before it ends. */
  #alone: { readonly batch: Batch; readonly lane: Lane } | undefined;

  constructor(options: BatchSpreadOptions) {
    this.#options = options;
  }

  /** @param lanes at least two */
  send(batch: Batch, lanes: readonly Lane[]): void {
    if (this.#alone !== undefined || this.#held.length > 0) {
      this.#held.push(batch);
      return;
    }
    const only = onlyLane(batch, lanes.length);
    if (only !== undefined) {
      this.#options.send(lanes[only]!, batch, false);
      return;
    }
    if (batch.others.some((request) => laneOfAll(request, lanes.length) === undefined)) {
      this.#held.push(batch);
      this.#options.awaitQuiet();
      return;
    }
    const parts = divide(batch, lanes.length, this.#options.onBatchEnded);
    for (const [position, part] of parts.entries())
      if (part !== undefined) this.#options.send(lanes[position]!, part, true);
    batch.stampWritten();
  }

  /** Sends the first batch that waits, now that nothing is due; false: nothing was sent, and none waits. */
  sendHeld(lanes: readonly Lane[]): boolean {
    this.#alone = undefined;
    for (;;) {
      const batch = this.#held.shift();
      if (batch === undefined) return false;
      const lane = lanes.find(({ isOpen }) => isOpen);
      if (lane === undefined) {
        this.#fail(batch, this.#options.notConnected());
        continue;
      }
      this.#alone = { batch, lane };
      this.#options.send(lane, batch, false);
      // One that could not be encoded has failed at once, and no reply would be waited for.
      if (lane.isOpen && !lane.isIdle) return true;
      this.#alone = undefined;
    }
  }

  /** A request of this batch was given up: what has not left this process must never leave. */
  abandon(batch: Batch, lanes: readonly Lane[], cause: () => ConnectionError): void {
    const held = this.#held.indexOf(batch);
    if (held >= 0) {
      this.#held.splice(held, 1);
      this.#fail(batch, cause());
      return;
    }
    if (batch === this.#alone?.batch) {
      if (this.#alone.lane.hasUnsentBytes) this.#alone.lane.destroy(cause());
      return;
    }
    if (!lanes.some(({ hasUnsentBytes }) => hasUnsentBytes)) return;
    const concerned = new Set<number>();
    batch.forEachLeader((leader) => {
      if (this.#options.isElsewhere(leader)) return;
      for (const key of keysOf(leader)) concerned.add(laneOf(key, lanes.length));
    });
    for (const position of concerned) if (lanes[position]?.hasUnsentBytes === true) lanes[position].destroy(cause());
  }

  failHeld(error: StateError): void {
    for (const batch of this.#held.splice(0)) this.#fail(batch, error);
  }

  #fail(batch: Batch, error: StateError): void {
    failAll(batch, error);
    this.#options.onBatchEnded();
  }
}

/** Index of the lane of a key. */
export function laneOf(key: CanonicalKey, lanes: number): number {
  // The hash is even.
  return (keyHash(key) >>> 1) % lanes;
}

/** The lane of all the keys of a request; undefined: they have several. */
function laneOfAll(request: Request, lanes: number): number | undefined {
  const [first, ...others] = keysOf(request);
  // Nothing to be done: any lane does it.
  if (first === undefined) return 0;
  const lane = laneOf(first, lanes);
  return others.every((key) => laneOf(key, lanes) === lane) ? lane : undefined;
}

/** The lane of all that a batch asks; undefined: there are several. */
function onlyLane(batch: Batch, lanes: number): number | undefined {
  let only: number | undefined;
  for (const group of [batch.probes, batch.reads, batch.deletes, batch.puts, batch.expiringPuts, batch.others]) {
    for (const request of group) {
      const lane = laneOfAll(request, lanes);
      if (lane === undefined || (only !== undefined && lane !== only)) return undefined;
      only = lane;
    }
  }
  return only;
}

/** By lane, each group in its order. */
function divide(batch: Batch, lanes: number, onEnded: () => void): readonly (Batch | undefined)[] {
  const whole = new DividedBatch(batch, onEnded);
  const parts = new Array<Batch | undefined>(lanes).fill(undefined);
  for (const group of ["probes", "reads", "deletes", "puts", "expiringPuts", "others"] as const) {
    for (const request of batch[group]) {
      const lane = laneOfAll(request, lanes)!;
      parts[lane] ??= whole.newPart();
      parts[lane][group].push(request);
    }
  }
  return parts;
}
