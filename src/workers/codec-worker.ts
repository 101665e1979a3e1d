import { workerData } from "node:worker_threads";
import { move, transferableSymbol, valueSymbol } from "piscina";
import type { Envelope } from "../codec/envelope.js";
import { doCodecWork } from "./codec-work.js";
import { openEnvelope } from "./open-envelope.js";
import type { CodecRequest, CodecResponse, ThreadData } from "./protocol.js";

let envelope: Envelope | undefined;

/** Entry of a codec thread. Answers with data whatever happens: what is thrown across threads loses its class. */
export function runCodecJob(request: CodecRequest): unknown {
  try {
    envelope ??= openEnvelope((workerData as ThreadData).settings);
    const results = doCodecWork(envelope, request);
    return moved(results, [results.slab, ...results.blocks]);
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) } satisfies CodecResponse;
  }
}

function moved(response: CodecResponse, memory: readonly ArrayBuffer[]): unknown {
  return move({ [transferableSymbol]: memory, [valueSymbol]: response } as unknown as Parameters<typeof move>[0]);
}
