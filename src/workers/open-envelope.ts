import type { Compressor } from "../codec/compression/compressor.js";
import { openCompressor } from "../codec/compression/open-compressor.js";
import { Envelope } from "../codec/envelope.js";
import type { CodecSettings } from "./protocol.js";

/** An envelope of this thread's own that writes what every other with these settings writes, and reads all codecs. */
export function openEnvelope(settings: CodecSettings): Envelope {
  const open = (name: Compressor["name"]): Compressor =>
    openCompressor(name, name === settings.codec ? settings.level : undefined);
  const decompressors = [open("lz4"), open("zstd"), open("snappy")];
  return new Envelope({
    checksum: settings.checksum,
    compressor: decompressors.find(({ name }) => name === settings.codec),
    thresholdBytes: settings.thresholdBytes,
    decompressors,
    maxValueBytes: settings.maxValueBytes,
  });
}
