import { createRequire } from "node:module";
import type { Unpackr } from "msgpackr";
import type { BodyFormat } from "./body-format.js";
import { checkMessagePack } from "./message-pack-check.js";
import { MessagePackWriter } from "./message-pack-writer.js";

/** A writer that grew beyond this is not kept: one large value would hold its memory for good. */
const MAX_KEPT_BYTES = 256 * 1024;
const NIL = 0xc0;
const UNDEFINED = Buffer.of(0xd4, 0, 0);

/**
 * Plain MessagePack, readable by any library: objects as maps with text keys. bigint (of 64 bits), Date and binary
 * values keep their type; Map and Set do not.
 */
export function createMessagePackBody(): BodyFormat {
  // Loaded by the first table that wants it, not by everyone who imports the package.
  const { Unpackr } = createRequire(import.meta.url)("msgpackr") as typeof import("msgpackr");
  const unpackr: Unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true });
  let idle: MessagePackWriter | undefined;
  return {
    encode(value) {
      const writer = idle ?? new MessagePackWriter();
      // A toJSON that puts something into the same table needs a writer of its own.
      idle = undefined;
      try {
        const body = writer.write(value);
        if (body[0] === NIL || body.equals(UNDEFINED)) throw new TypeError("its toJSON gives nothing");
        return body;
      } finally {
        if (writer.byteLength <= MAX_KEPT_BYTES) idle = writer;
      }
    },
    decode(record, at) {
      checkMessagePack(record, at);
      return unpackr.unpack(record.subarray(at));
    },
  };
}
