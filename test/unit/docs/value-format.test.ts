import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 as referenceCrc32 } from "node:zlib";
import { openCompressor } from "../../../src/codec/compression/open-compressor.js";
import { Envelope } from "../../../src/codec/envelope.js";
import { crc32 } from "../../../src/core/crc32.js";
import { StateError } from "../../../src/core/errors.js";
import { readDocument, section, tableRows } from "./document.js";

const DOCUMENT = readDocument("docs/value-format.md");
const CODECS = ["lz4", "zstd", "snappy"] as const;
const HEADER_BYTES = 8;

interface Vector {
  readonly key: string;
  readonly value: Buffer;
  readonly checksum: "crc32" | "none";
  readonly codec: (typeof CODECS)[number] | undefined;
  readonly stored: Buffer;
}

const vectors = tableRows(section(DOCUMENT, "vectors")).map(parseVector);
const refused = tableRows(section(DOCUMENT, "refused"));

function parseVector([key, value, options, stored]: string[]): Vector {
  return {
    key: JSON.parse(key!) as string,
    value: parseValue(value!),
    checksum: options!.includes("checksum: none") ? "none" : "crc32",
    codec: CODECS.find((name) => options!.includes(`codec: ${name}`)),
    stored: Buffer.from(stored!, "hex"),
  };
}

function parseValue(cell: string): Buffer {
  if (cell.startsWith("hex:")) return Buffer.from(cell.slice("hex:".length), "hex");
  const [text, times] = cell.split(" × ");
  return Buffer.from((JSON.parse(text!) as string).repeat(Number(times ?? 1)));
}

function envelope(checksum: "crc32" | "none", codec?: (typeof CODECS)[number]): Envelope {
  return new Envelope({
    checksum,
    compressor: codec === undefined ? undefined : openCompressor(codec),
    thresholdBytes: 0,
    decompressors: CODECS.map((name) => openCompressor(name)),
    maxValueBytes: 16 * 1024 * 1024,
  });
}

const keyChecksum = (key: string): number => crc32(Buffer.from(key));

test("the document has a vector for every codec and for both checksum settings", () => {
  assert.deepEqual(new Set(vectors.map(({ codec }) => codec)), new Set([undefined, ...CODECS]));
  assert.deepEqual(new Set(vectors.map(({ checksum }) => checksum)), new Set(["crc32", "none"]));
  assert.ok(refused.length >= 10);
});

for (const { key, value, checksum, codec, stored } of vectors) {
  const name = `${key} ${stored.toString("hex")}`;

  test(`vector ${name} is read as its value, whatever the reader's own settings`, () => {
    for (const reader of [envelope("crc32"), envelope("none"), envelope("crc32", "lz4")]) {
      const before = Buffer.concat([Buffer.from("xx"), stored, Buffer.from("yy")]);
      assert.deepEqual(reader.decode(before, 2, 2 + stored.length, keyChecksum(key)), value);
      assert.deepEqual(reader.decodeOwned(before, 2, 2 + stored.length, keyChecksum(key)), value);
    }
  });

  if (codec === undefined) {
    test(`vector ${name} is what is written`, () => {
      assert.equal(envelope(checksum).encode(keyChecksum(key), value).toString("hex"), stored.toString("hex"));
    });
  } else {
    test(`vector ${name} has the header that is written, before whatever body the encoder makes`, () => {
      const written = envelope(checksum, codec).encode(keyChecksum(key), value);
      const lengthEnd = HEADER_BYTES + 4;
      assert.equal(written.subarray(6, lengthEnd).toString("hex"), stored.subarray(6, lengthEnd).toString("hex"));
      assert.deepEqual(envelope("none").decode(written, 0, written.length, keyChecksum(key)), value);
    });
  }

  if (checksum === "crc32") {
    test(`vector ${name} carries the checksum that the document describes`, () => {
      const covered = Buffer.concat([Buffer.from(key), stored.subarray(6)]);
      assert.equal(stored.readUInt32LE(2), referenceCrc32(covered));
    });
  }
}

for (const [hex, problem, reason] of refused) {
  test(`${hex} is refused: ${problem}`, () => {
    const stored = Buffer.from(hex!, "hex");
    assert.equal(stored.toString("hex"), hex);
    assert.throws(
      () => envelope("crc32").decode(stored, 0, stored.length, keyChecksum("state:user:1")),
      (error) => error instanceof StateError && error.reason === reason && error.outcome === "not-applied",
    );
  });
}
