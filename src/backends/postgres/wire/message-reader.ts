import { ReadSlab } from "../../read-slab.js";

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
const ROWS_SINGLY = 7;

/** The bytes do not follow the protocol. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** Receives a message's type and where its body stands; the bytes are valid during the call only. */
export type MessageHandler = (type: number, bytes: Buffer, start: number, end: number) => void;

/** Offered what there is where a row begins: takes as many rows as it can at once, and moves `slab.start` behind them. */
export type RowsHandler = (slab: ReadSlab) => boolean;

/** Cuts a stream of bytes into messages; one that has not arrived to its end is kept until it has. */
export class MessageReader {
  readonly #handle: MessageHandler;
  readonly #takeRows: RowsHandler;
  readonly #slab: ReadSlab;
  /** So many rows are handled one by one, because none could be taken together when it was tried last. */
  #singly = 0;

  constructor(handle: MessageHandler, takeRows: RowsHandler, slab = new ReadSlab()) {
    this.#handle = handle;
    this.#takeRows = takeRows;
    this.#slab = slab;
  }

  /** @throws ProtocolError */
  push(chunk: Buffer): void {
    const slab = this.#slab;
    slab.append(chunk);
    const { bytes, end: length } = slab;
    while (slab.start + HEADER_BYTES <= length) {
      const at = slab.start;
      const size = (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!;
      if (size < 4 || size > MAX_MESSAGE_BYTES) throw new ProtocolError(`a message of ${size} bytes`);
      const end = at + 1 + size;
      if (end > length) break;
      if (bytes[at] === Message.dataRow && this.#tookRows(slab)) continue;
      slab.start = end;
      this.#handle(bytes[at]!, bytes, at + HEADER_BYTES, end);
    }
    slab.expectedBytes = 0;
  }

  #tookRows(slab: ReadSlab): boolean {
    if (this.#singly > 0) {
      this.#singly--;
      return false;
    }
    if (this.#takeRows(slab)) return true;
    this.#singly = ROWS_SINGLY;
    return false;
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
