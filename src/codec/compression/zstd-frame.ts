const MAGIC = 0xfd2fb528;
const UNKNOWN = -1;

/**
 * The content size that a Zstandard frame's header declares (RFC 8878, 3.1.1.1), or -1 if these bytes do not begin
 * with a frame or the frame does not say. Read here so that no decoder is started, and nothing allocated, for a
 * frame that claims another size than its envelope.
 */
export function zstdContentSize(source: Uint8Array, start: number, end: number): number {
  if (end - start < 6 || littleEndian(source, start, 4) !== MAGIC) return UNKNOWN;
  const descriptor = source[start + 4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 0x03]!;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6]!;
  const at = start + 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes;
  if (sizeBytes === 0 || at + sizeBytes > end) return UNKNOWN;
  const size = littleEndian(source, at, sizeBytes);
  return sizeBytes === 2 ? size + 256 : size;
}

function littleEndian(source: Uint8Array, at: number, bytes: number): number {
  let value = 0;
  for (let index = bytes - 1; index >= 0; index--) value = value * 256 + source[at + index]!;
  return value;
}
