import { group } from "../config/group.js";
import { bytes, integer, oneOf } from "../config/scalars.js";
import { MAX_VALUE_BYTES } from "./option-limits.js";

export const compression = group(
  {
    codec: oneOf(["lz4", "zstd", "snappy", "none"], { default: "lz4", doc: "How values are compressed." }),
    level: integer({
      min: 1,
      max: 19,
      default: undefined,
      doc: "Effort of zstd; the other codecs have no levels.",
    }),
    thresholdBytes: bytes({
      min: 0,
      max: MAX_VALUE_BYTES,
      default: 1024,
      doc: "Smaller values are stored as they are.",
    }),
  },
  {
    doc: "Compression of values.",
    rules: [
      ({ codec, level }) =>
        level !== undefined && codec !== "zstd" ? `level is for codec 'zstd'; got codec '${codec}'` : undefined,
    ],
  },
);

export const checksum = oneOf(["crc32", "none"], {
  default: "crc32",
  doc: "Checksum over key, header and stored bytes of every value.",
});

export const workers = group(
  {
    threads: integer({
      min: 0,
      max: 256,
      default: "auto",
      doc: "Threads for compression; 'auto' leaves a core to the event loop, 0 runs without.",
    }),
    offload: oneOf(["auto", "never", "always"], {
      default: "auto",
      doc: "Which batches go to the threads; 'auto' weighs it batch by batch.",
    }),
  },
  { doc: "The pool of codec threads." },
);
