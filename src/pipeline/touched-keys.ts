import type { Batch } from "../backends/batch.js";
import { keysOf, type Request } from "../backends/request.js";
import type { CanonicalKey } from "../core/key.js";

/** The keys of a batch, without its requests and their values. Sets are made at the first question: most ask none. */
export class TouchedKeys {
  readonly sequence: number;
  readonly #written: CanonicalKey[] = [];
  readonly #read: CanonicalKey[] = [];
  #writtenSet: Set<CanonicalKey> | undefined;
  #readSet: Set<CanonicalKey> | undefined;

  constructor(batch: Batch) {
    this.sequence = batch.sequence;
    for (const group of [batch.deletes, batch.puts, batch.expiringPuts]) collect(group, this.#written);
    for (const request of batch.others) for (const key of keysOf(request)) this.#written.push(key);
    for (const group of [batch.probes, batch.reads]) collect(group, this.#read);
  }

  get count(): number {
    return this.#written.length + this.#read.length;
  }

  writes(key: CanonicalKey): boolean {
    this.#writtenSet ??= new Set(this.#written);
    return this.#writtenSet.has(key);
  }

  touches(key: CanonicalKey): boolean {
    this.#readSet ??= new Set(this.#read);
    return this.writes(key) || this.#readSet.has(key);
  }
}

function collect(requests: readonly Request[], keys: CanonicalKey[]): void {
  for (const { key } of requests) keys.push(key);
}
