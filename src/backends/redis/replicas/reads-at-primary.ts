import type { CanonicalKey } from "../../../core/key.js";
import type { Batch } from "../../batch.js";
import { Kind } from "../../request.js";
import type { Lane } from "../lane.js";

interface SentReads {
  readonly keys: ReadonlySet<CanonicalKey>;
  readonly lane: Lane;
  /** How much had been sent over it by then. */
  readonly sent: number;
}

/** Keys of which something is being read over the connections to the primary. */
export class ReadsAtPrimary {
  #sent: SentReads[] = [];

  /** To be called when all that is to be read has been handed to the lane. */
  add(keys: ReadonlySet<CanonicalKey>, lane: Lane): void {
    this.forgetAnswered();
    if (keys.size > 0) this.#sent.push({ keys, lane, sent: lane.sent });
  }

  forgetAnswered(): void {
    if (this.#sent.length > 0) this.#sent = this.#sent.filter(({ lane, sent }) => !lane.hasAnswered(sent));
  }

  /** Whether one was when `forgetAnswered` was called last. */
  has(key: CanonicalKey): boolean {
    for (const { keys } of this.#sent) if (keys.has(key)) return true;
    return false;
  }
}

/** Keys of which a batch reads something, and which it does not change. */
export function keysReadBy({ reads, probes, others }: Batch): Set<CanonicalKey> {
  const keys = new Set<CanonicalKey>();
  for (const { key } of reads) keys.add(key);
  for (const { key } of probes) keys.add(key);
  for (const { key, kind } of others) if (kind === Kind.ttl) keys.add(key);
  return keys;
}
