const SUB_BUCKET_BITS = 7;
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS;
const HIGHEST_SHIFT = 30 - SUB_BUCKET_BITS;

/**
 * Slots of a log-linear scale of non-negative 32-bit numbers: exact below 128, from there 128 slots per power of two,
 * so that the middle of a slot is within 0.4 % of all that is counted in it.
 */
export const SLOTS = (HIGHEST_SHIFT + 2) * SUB_BUCKETS;

export function slotOf(value: number): number {
  if (value < SUB_BUCKETS) return value;
  const shift = 31 - SUB_BUCKET_BITS - Math.clz32(value);
  return (shift + 1) * SUB_BUCKETS + ((value >>> shift) & (SUB_BUCKETS - 1));
}

export function lowestOfSlot(slot: number): number {
  if (slot < SUB_BUCKETS) return slot;
  const shift = (slot >>> SUB_BUCKET_BITS) - 1;
  return (SUB_BUCKETS + (slot & (SUB_BUCKETS - 1))) * 2 ** shift;
}

export function middleOfSlot(slot: number): number {
  if (slot < SUB_BUCKETS) return slot;
  const shift = (slot >>> SUB_BUCKET_BITS) - 1;
  return lowestOfSlot(slot) + ((2 ** shift) >>> 1);
}
