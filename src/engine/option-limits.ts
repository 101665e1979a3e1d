/** Longest lifetime of an entry: ten years. Stores take far longer ones, but only a mistake asks for them. */
export const MAX_TTL_MS = 315_360_000_000;

/** Longest delay or latency that an option may name: an hour. */
export const MAX_DELAY_MS = 3_600_000;

export const KIB = 1024;
export const MIB = 1_048_576;

/** Before a value that is stored as it is. */
const VALUE_HEADER_BYTES = 8;

/** Longest value that a Redis server takes, with its header, unless it is told otherwise. */
export const MAX_VALUE_BYTES = 512 * MIB - VALUE_HEADER_BYTES;
