import type { Envelope } from "../codec/envelope.js";
import { CorruptValueError, UnsupportedOperationError } from "../core/errors.js";
import {
  type CodecRequest,
  type CodecResults,
  type FailureKind,
  headOf,
  IN_SLAB,
  NO_BLOCK,
  type ValueFailure,
  WORDS_PER_VALUE,
} from "./protocol.js";
import { ResultBlocks } from "./result-blocks.js";

const MAX_KEPT_BYTES = 8 * 1024 * 1024;

/** Does one job, whole. Never throws because of a value; may throw where memory cannot be had. */
export function doCodecWork(envelope: Envelope, request: CodecRequest): CodecResults {
  const startedMs = performance.now();
  const { bytesBeforeCompression, bytesAfterCompression } = envelope.statistics;
  const failures: ValueFailure[] = [];
  const blocks =
    request.direction === "encode" ? encodeAll(envelope, request, failures) : decodeAll(envelope, request, failures);
  return {
    ok: true,
    slab: request.slab,
    blocks,
    failures,
    bytesBeforeCompression: envelope.statistics.bytesBeforeCompression - bytesBeforeCompression,
    bytesAfterCompression: envelope.statistics.bytesAfterCompression - bytesAfterCompression,
    elapsedMs: performance.now() - startedMs,
  };
}

/**
 * Where stored forms are made before they are copied into memory of their exact size: what arrives at the calling
 * thread counts as that thread's garbage, and a roomy block would have it collect several times as often.
 */
let kept = Buffer.allocUnsafeSlow(0);

function scratch(bytes: number): Buffer {
  if (bytes <= kept.length) return kept;
  const fresh = Buffer.allocUnsafeSlow(bytes);
  if (bytes <= MAX_KEPT_BYTES) kept = fresh;
  return fresh;
}

function encodeAll(envelope: Envelope, request: CodecRequest, failures: ValueFailure[]): ArrayBuffer[] {
  const { slab, values } = request;
  const head = headOf(slab, values);
  const source = Buffer.from(slab);
  const views: Buffer[] = [];
  let room = 0;
  for (let word = 0; word < head.length; word += WORDS_PER_VALUE) {
    const view = source.subarray(head[word]!, head[word + 1]!);
    room += envelope.maxEncodedBytes(view);
    views.push(view);
  }
  const isRoomy = room <= slab.byteLength - request.resultsAt;
  const target = isRoomy ? source : scratch(room);
  const block = isRoomy ? IN_SLAB : 0;
  let at = isRoomy ? request.resultsAt : 0;
  for (let index = 0; index < values; index++) {
    const word = index * WORDS_PER_VALUE;
    const start = at;
    try {
      at = envelope.encodeInto(target, at, head[word + 2]!, views[index]!);
      head[word] = block;
    } catch (error) {
      failures.push(failureOf(index, error));
      head[word] = NO_BLOCK;
    }
    head[word + 1] = start;
    head[word + 2] = at;
  }
  return isRoomy ? [] : [target.buffer.slice(0, at) as ArrayBuffer];
}

function decodeAll(envelope: Envelope, request: CodecRequest, failures: ValueFailure[]): ArrayBuffer[] {
  const { slab, values } = request;
  const head = headOf(slab, values);
  const source = Buffer.from(slab);
  const blocks = new ResultBlocks();
  let at = request.resultsAt;
  for (let index = 0; index < values; index++) {
    const word = index * WORDS_PER_VALUE;
    try {
      const value = envelope.decodeOwned(source, head[word]!, head[word + 1]!, head[word + 2]!);
      if (value.length > source.length - at) {
        blocks.add(value, head, word);
        continue;
      }
      source.set(value, at);
      head[word] = IN_SLAB;
      head[word + 1] = at;
      at += value.length;
      head[word + 2] = at;
    } catch (error) {
      failures.push(failureOf(index, error));
      head[word] = NO_BLOCK;
    }
  }
  return blocks.finish();
}

function failureOf(index: number, error: unknown): ValueFailure {
  const kind = kindOf(error);
  const detail = error instanceof Error ? error.message : String(error);
  return { ok: false, index, kind, detail, reason: kind === "other" ? undefined : (error as CorruptValueError).reason };
}

function kindOf(error: unknown): FailureKind {
  if (error instanceof CorruptValueError) return "corrupt";
  return error instanceof UnsupportedOperationError ? "unsupported" : "other";
}
