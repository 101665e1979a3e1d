import type { LogPosition } from "./recent-writes.js";
import { RecentWrites } from "./recent-writes.js";
import type { Mark, ReplicaProgress } from "./replica-progress.js";

/**
 * Which replicas may be read. Positions in the log say how far one is behind, so no clock of a server is trusted: the
 * primary is asked where it is, and a replica that has come by that point is as fresh as the question. Keys that this
 * engine wrote are read from the primary until the replica has come by their writes.
 */
export class Freshness {
  readonly writes = new RecentWrites();
  readonly #maxLagMs: number;
  /** Those that are not older than a replica may be, and at least the last; oldest first. */
  readonly #marks: Mark[] = [];

  /** @param maxLagMs a replica is read while it has everything that the primary had so long ago */
  constructor(maxLagMs: number) {
    this.#maxLagMs = maxLagMs;
  }

  get marks(): readonly Mark[] {
    return this.#marks;
  }

  /** The primary is asked for its position now; the result takes the answer, if it comes. */
  askingPrimary(): (position: LogPosition) => void {
    const positioned = this.writes.seal();
    const atMs = performance.now();
    return (position) => {
      positioned(position);
      this.#marks.push({ atMs, position });
    };
  }

  /** The primary's log is another than before: how far anybody had come in that one says nothing. */
  beginAnew(): void {
    this.#marks.length = 0;
    this.writes.addAll();
  }

  isFresh(replica: ReplicaProgress): boolean {
    return replica.currentAsOfMs >= performance.now() - this.#maxLagMs && replica.reached >= this.writes.floor;
  }

  /** What all replicas in use have, and what any other one must have come by before it is used. */
  forget(replicas: readonly { readonly progress: ReplicaProgress }[]): void {
    const oldestMs = performance.now() - this.#maxLagMs;
    const young = this.#marks.findIndex(({ atMs }) => atMs >= oldestMs);
    this.#marks.splice(0, young < 0 ? this.#marks.length - 1 : young);
    const [oldest] = this.#marks;
    if (oldest === undefined) return;
    let reached: LogPosition | undefined;
    for (const { progress } of replicas) {
      if (progress.currentAsOfMs < oldestMs) continue;
      if (reached === undefined || progress.reached < reached) reached = progress.reached;
    }
    this.writes.reached(reached === undefined || reached < oldest.position ? oldest.position : reached);
  }
}
