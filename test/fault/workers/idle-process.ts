import { createCodecPool } from "../../../src/workers/codec-pool.js";

// Uses the threads and never closes them: the process has to end by itself.
const pool = createCodecPool({
  threads: 2,
  offload: "always",
  codec: "lz4",
  level: undefined,
  checksum: "crc32",
  thresholdBytes: 0,
  maxValueBytes: 1_048_576,
});
const [frame] = await pool.encode(["a value ".repeat(1000)], new Uint32Array(1));
const [value] = await pool.decode([frame!], new Uint32Array(1));
process.stdout.write(`${String(value).length} ${String(pool.describe().threadsAlive)}`);
