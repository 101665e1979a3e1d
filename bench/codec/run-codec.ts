import type { CodecBench, CodecPart } from "./codec-bench.js";
import { measureFaults } from "./faults.js";
import { measureGrid } from "./grid.js";
import { measureOffload } from "./offload.js";
import { measureOneKib } from "./one-kib.js";
import { measureHeader, measureRatios, measureWindow } from "./small-costs.js";

const PARTS: Record<CodecPart, (bench: CodecBench) => Promise<void>> = {
  "codec-1KiB": measureOneKib,
  "codec-grid": measureGrid,
  "codec-offload": measureOffload,
  "codec-faults": measureFaults,
  "codec-ratio": measureRatios,
  "codec-header": async (bench) => {
    await measureHeader(bench);
    await measureWindow(bench);
  },
};

export async function runCodec(parts: readonly CodecPart[], bench: CodecBench): Promise<void> {
  for (const part of parts) {
    bench.progress(part);
    await PARTS[part](bench);
  }
}
