/*
 * The kernel's memory: tables first, then input and output where each call says. Its callers keep them apart, and
 * behind each, and before the input, 64 bytes that belong to nobody: blocks of 8 and 16 bytes run over the ends.
 */
export const HASH_TABLE: usize = 0;
export const HASH_TABLE_BITS: u64 = 12;
export const HASH_TABLE_BYTES: usize = 16384;
export const CRC_TABLES: usize = 16384;
export const CRC_SLICES: u32 = 8;
