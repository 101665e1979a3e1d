import { createRequire } from "node:module";
import type { Packr } from "msgpackr";
import type { BodyFormat } from "./body-format.js";
import { checkMessagePack } from "./message-pack-check.js";

/**
 * Plain MessagePack, readable by any library: objects as maps with text keys. bigint (of 64 bits), Date and binary
 * values keep their type; Map and Set do not.
 */
export function createMessagePackBody(): BodyFormat {
  // Loaded by the first table that wants it, not by everyone who imports the package.
  const { Packr } = createRequire(import.meta.url)("msgpackr") as typeof import("msgpackr");
  const packr: Packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true, copyBuffers: true });
  return {
    encode(value) {
      const body = packr.pack(value);
      checkMessagePack(body, 0);
      return body;
    },
    decode(record, at) {
      checkMessagePack(record, at);
      return packr.unpack(record.subarray(at));
    },
  };
}
