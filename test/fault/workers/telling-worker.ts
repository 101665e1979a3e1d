import type { CodecResponse } from "../../../src/workers/protocol.js";

Error.stackTraceLimit = 50;
const loadedBy = new Error("loaded").stack ?? "";

/** Refuses its first job with an account of how it was loaded. */
export function runCodecJob(): CodecResponse {
  return { ok: false, detail: loadedBy };
}
