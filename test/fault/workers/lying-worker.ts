import type { CodecRequest } from "../../../src/workers/protocol.js";

/** Answers everything with nothing, in good form. */
export function runCodecJob(request: CodecRequest): unknown {
  return { ok: true, slab: request.slab, blocks: [new ArrayBuffer(8)], failures: [], elapsedMs: 0 };
}
