import type { Envelope } from "../codec/envelope.js";
import { JobSlabs, unpack } from "./job-slabs.js";
import type { OffloadModel } from "./offload-model.js";
import type { CodecRequest } from "./protocol.js";
import type { ThreadPool } from "./thread-pool.js";

const SAMPLE_VALUES = 16;
const SAMPLE_BYTES = 1024;
const MIN_PASSES = 3;
const CALIBRATION_MS = 1;
/** Starting a thread and loading the codecs takes a tenth of this on a busy machine. */
const START_ALLOWANCE_MS = 10_000;

/**
 * Has each thread encode and decode a sample, and this thread too. The threads must come to the same bytes, since
 * nothing else tells that they run the code they should; what it took calibrates the model.
 * @throws Error when a thread cannot be had, or answers wrongly
 */
export async function testThreads(
  pool: ThreadPool,
  envelope: Envelope,
  { threads, model }: { threads: number; model: OffloadModel },
): Promise<void> {
  const sample = sampleValues();
  const bytes = SAMPLE_VALUES * SAMPLE_BYTES;
  const checksums = Uint32Array.from(sample, (_, index) => index);
  let encoded: Buffer[] = [];
  const encodeHere = (): void => {
    encoded = sample.map((value, index) => envelope.encode(index, value));
  };
  const decodeHere = (): void => {
    encoded.map((stored, index) => envelope.decode(stored, 0, stored.length, index));
  };
  model.observeInline("encode", SAMPLE_VALUES, bytes, leastMs(encodeHere));
  model.observeInline("decode", SAMPLE_VALUES, bytes, leastMs(decodeHere));

  const run = async (direction: CodecRequest["direction"], inputs: readonly Buffer[]): Promise<Buffer> => {
    const part = { first: 0, end: SAMPLE_VALUES };
    const packed = new JobSlabs(0).pack(inputs, checksums, part, direction === "encode" ? 2 * bytes : bytes);
    const results = await pool.run({ direction, values: SAMPLE_VALUES, ...packed }, START_ALLOWANCE_MS);
    const outputs: Buffer[] = [];
    unpack(results, part, outputs as never);
    return Buffer.concat(outputs);
  };
  const visits = Array.from({ length: threads }, async () => {
    const encodedThere = await run("encode", sample);
    const decodedThere = await run("decode", encoded);
    return encodedThere.equals(Buffer.concat(encoded)) && decodedThere.equals(Buffer.concat(sample));
  });
  if (!(await Promise.all(visits)).every((same) => same)) throw new Error("a codec thread gives other bytes");
}

/** The first passes load the codec and are run before the code is compiled. */
function leastMs(work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  let spentMs = 0;
  for (let pass = 0; pass < MIN_PASSES || spentMs < CALIBRATION_MS; pass++) {
    const startedMs = performance.now();
    work();
    const elapsedMs = performance.now() - startedMs;
    spentMs += elapsedMs;
    least = Math.min(least, elapsedMs);
  }
  return least;
}

function sampleValues(): Buffer[] {
  return Array.from({ length: SAMPLE_VALUES }, (_, index) => {
    const fields = Array.from({ length: 40 }, (_, field) => `"field${field}":${(index + 1) * (field + 7) * 7919}`);
    return Buffer.from(`{${fields.join(",")}}`.padEnd(SAMPLE_BYTES)).subarray(0, SAMPLE_BYTES);
  });
}
