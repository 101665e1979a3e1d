import assert from "node:assert/strict";
import { test } from "node:test";
import { Batch, type BatchOwner } from "../../../src/backends/batch.js";
import { Kind, Request } from "../../../src/backends/request.js";
import type { BatchCodec } from "../../../src/codec/batch-codec.js";
import { openCompressor } from "../../../src/codec/compression/open-compressor.js";
import { CompressionHint } from "../../../src/codec/compression-hint.js";
import { Envelope } from "../../../src/codec/envelope.js";
import { systemLoop } from "../../../src/core/event-loop.js";
import type { Value } from "../../../src/core/value.js";
import { CodecStage } from "../../../src/pipeline/codec-stage.js";
import { incompressibleBytes } from "../codec/compression/sample-values.js";

const compressor = openCompressor("zstd");
const codec = new Envelope({
  ...{ checksum: "crc32", compressor, thresholdBytes: 64, decompressors: [compressor], maxValueBytes: 1 << 20 },
});
const elsewhere = {
  worthOffloading: () => true,
  encode: async (values, checksums) => values.map((value, index) => codec.encode(checksums[index]!, value)),
} as Partial<BatchCodec> as BatchCodec;

async function hintAfter(value: Value): Promise<CompressionHint> {
  const request = new Request(Kind.put, "key", value, 0, undefined, 0, 1000);
  request.hint = new CompressionHint();
  const batch = new Batch({} as BatchOwner);
  batch.puts.push(request);
  batch.bytes = request.valueUnits;
  await new Promise<void>((execute) => {
    const stage = new CodecStage(
      { codec, batchCodec: elsewhere, keyChecksum: () => 7, execute: () => execute(), isHeldBack: () => false },
      systemLoop,
    );
    assert.ok(stage.take(batch));
  });
  return request.hint;
}

test("a thread's result teaches whether values are worth compressing by what was compressed, in any script", async () => {
  const choices = incompressibleBytes(3200, 1);
  const units = Array.from({ length: 1600 }, (_, at) => 0x4e00 + (choices.readUInt16LE(at * 2) % 800));
  assert.ok((await hintAfter(String.fromCharCode(...units))).isPromising);
  assert.ok((await hintAfter("ascii ".repeat(100))).isPromising);
  assert.ok(!(await hintAfter(incompressibleBytes(1600, 2))).isPromising);
});
