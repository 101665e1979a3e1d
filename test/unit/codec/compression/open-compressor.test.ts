import assert from "node:assert/strict";
import { test } from "node:test";
import type { CompressorName } from "../../../../src/codec/compression/compressor.js";
import { openCompressor } from "../../../../src/codec/compression/open-compressor.js";
import { ConfigError } from "../../../../src/core/errors.js";
import { compressed, decompressed } from "./compressor-suite.js";
import { sampleRecord } from "./sample-values.js";

test("each codec is opened by its name and works at once, prepared or not", () => {
  const record = sampleRecord(2000);
  for (const name of ["lz4", "zstd", "snappy"] satisfies CompressorName[]) {
    const prepared = openCompressor(name);
    assert.equal(prepared.name, name);
    prepared.prepare();
    const body = compressed(prepared, record)!;
    assert.equal(decompressed(openCompressor(name), body, record.length).toString(), record);
  }
});

test("records shrink by what each codec is chosen for: lz4 and snappy to half, zstd to a third", () => {
  const record = sampleRecord(16 * 1024);
  const ratio = (name: CompressorName): number => record.length / compressed(openCompressor(name), record)!.length;
  assert.ok(ratio("lz4") >= 2, `lz4 ${ratio("lz4")}`);
  assert.ok(ratio("snappy") >= 2, `snappy ${ratio("snappy")}`);
  assert.ok(ratio("zstd") >= 3, `zstd ${ratio("zstd")}`);
});

test("the zstd level is checked when a compressor is opened", () => {
  assert.throws(() => openCompressor("zstd", 20), ConfigError);
});
