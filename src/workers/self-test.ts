import type { Envelope } from "../codec/envelope.js";
import { JobSlabs, unpack } from "./job-slabs.js";
import type { OffloadModel } from "./offload-model.js";
import type { CodecRequest } from "./protocol.js";
import type { ThreadPool } from "./thread-pool.js";

const SAMPLE_VALUES = 16;
const SAMPLE_BYTES = 1024;
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
  // The first pass loads the codec.
  let encoded = sample.map((value, index) => envelope.encode(index, value));
  model.observeInline(
    "encode",
    SAMPLE_VALUES,
    bytes,
    timed(() => {
      encoded = sample.map((value, index) => envelope.encode(index, value));
    }),
  );
  const decodeInline = (): void => {
    encoded.map((stored, index) => envelope.decode(stored, 0, stored.length, index));
  };
  decodeInline();
  model.observeInline("decode", SAMPLE_VALUES, bytes, timed(decodeInline));

  const run = async (direction: CodecRequest["direction"], inputs: readonly Buffer[]): Promise<Buffer> => {
    const part = { first: 0, end: SAMPLE_VALUES };
    const slab = new JobSlabs(0).pack(inputs, checksums, part);
    const results = await pool.run({ direction, values: SAMPLE_VALUES, slab }, START_ALLOWANCE_MS);
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

function timed(work: () => void): number {
  const startedMs = performance.now();
  work();
  return performance.now() - startedMs;
}

function sampleValues(): Buffer[] {
  return Array.from({ length: SAMPLE_VALUES }, (_, index) => {
    const fields = Array.from({ length: 40 }, (_, field) => `"field${field}":${(index + 1) * (field + 7) * 7919}`);
    return Buffer.from(`{${fields.join(",")}}`.padEnd(SAMPLE_BYTES)).subarray(0, SAMPLE_BYTES);
  });
}
