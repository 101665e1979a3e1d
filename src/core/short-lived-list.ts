const EMPTY: readonly unknown[] = emptyObjects();

/**
 * An empty list, for what lives as long as a batch.
 *
 * V8 counts how many of the arrays and objects that a literal makes survive, and once nearly all do it lets the
 * optimized code make them in the old generation from then on, for good. While a process starts, its young generation
 * is small and is cleared every few batches, so nearly all batches under way do survive. Later every dead list of the
 * old generation keeps its requests, their answers and their promises until a major collection: up to twice the
 * processor time an operation. Copies of an array, and objects of a class that is no array, are
 * not counted (`AllocationSite` in V8).
 */
export function shortLivedList<T>(): T[] {
  return EMPTY.slice() as T[];
}

/** Made for objects from the start, as the list that it is copied to need not change its kind then. */
function emptyObjects(): unknown[] {
  const list: unknown[] = [undefined];
  list.pop();
  return list;
}
