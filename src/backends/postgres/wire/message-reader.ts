/** Types of the server's messages, by their first byte. */
export const Message = {
  dataRow: 0x44,
  commandComplete: 0x43,
  errorResponse: 0x45,
  readyForQuery: 0x5a,
} as const;

/** Above this a length is damage, not data: the server's own limit of a message is 1 GiB. */
const MAX_MESSAGE_BYTES = 0x4000_0000;
const HEADER_BYTES = 5;

/** The bytes do not follow the protocol. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Receives a message's type and where its body stands; the bytes are valid during the call only. */
export type MessageHandler = (type: number, bytes: Buffer, start: number, end: number) => void;

/** Cuts a stream of bytes into messages; a message that spans chunks is put together once. */
export class MessageReader {
  readonly #handle: MessageHandler;
  #parts: Buffer[] = [];
  #partBytes = 0;
  /** Bytes that must be there before it is worth another look. */
  #wanted = HEADER_BYTES;

  constructor(handle: MessageHandler) {
    this.#handle = handle;
  }

  /** @throws ProtocolError */
  push(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#partBytes > 0) {
      this.#parts.push(chunk);
      this.#partBytes += chunk.length;
      if (this.#partBytes < this.#wanted) return;
      bytes = Buffer.concat(this.#parts, this.#partBytes);
      this.#parts = [];
      this.#partBytes = 0;
    }
    let at = 0;
    const { length } = bytes;
    while (at + HEADER_BYTES <= length) {
      const size = (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!;
      if (size < 4 || size > MAX_MESSAGE_BYTES) throw new ProtocolError(`a message of ${size} bytes`);
      const end = at + 1 + size;
      if (end > length) break;
      this.#handle(bytes[at]!, bytes, at + HEADER_BYTES, end);
      at = end;
    }
    if (at === length) return;
    const rest = bytes.subarray(at);
    // Copied where it is small, so that a few bytes do not keep the whole chunk.
    this.#parts = [rest.length < 1024 ? Buffer.from(rest) : rest];
    this.#partBytes = rest.length;
    this.#wanted = rest.length < HEADER_BYTES ? HEADER_BYTES : 1 + rest.readInt32BE(1);
  }
}

/** The fields of an error, by their letters: `C` the SQLSTATE, `M` the message, `V` the severity. */
export function errorFields(bytes: Buffer, start: number, end: number): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let at = start;
  while (at < end && bytes[at] !== 0) {
    const stop = bytes.indexOf(0, at + 1);
    if (stop < 0 || stop >= end) break;
    fields.set(String.fromCharCode(bytes[at]!), bytes.toString("utf8", at + 1, stop));
    at = stop + 1;
  }
  return fields;
}
