import type { CanonicalKey } from "../../core/key.js";
import type { Batch } from "../batch.js";
import { DividedBatch } from "../divided-batch.js";
import type { Request } from "../request.js";

/**
 * The reads of a batch as several, one for each place that its keys have; those that have none are with some that have.
 * undefined: all keys have one place.
 */
export function dividedReads(
  batch: Batch,
  placeOf: (key: CanonicalKey) => object | undefined,
): readonly Batch[] | undefined {
  const groups = new Map<object | undefined, Request[]>();
  for (const request of batch.reads) {
    const place = placeOf(request.key);
    const group = groups.get(place);
    if (group === undefined) groups.set(place, [request]);
    else group.push(request);
  }
  const free = groups.get(undefined) ?? [];
  groups.delete(undefined);
  const [first, ...others] = groups.values();
  if (first === undefined || others.length === 0) return undefined;
  const divided = new DividedBatch(batch, () => {});
  return [[...first, ...free], ...others].map((reads) => {
    const part = divided.newPart();
    for (const request of reads) part.reads.push(request);
    part.size = reads.length;
    return part;
  });
}
