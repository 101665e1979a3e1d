import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../../src/testing/index.js";
import { LatencyRecorder, type LatencySummary } from "./latency-recorder.js";

const PAGE_BYTES = 8192;
const PAGES = 256;

/** How long this disk takes to make one page durable: no durable write is answered sooner. */
export async function measureSyncs(durationMs: number): Promise<LatencySummary> {
  const folder = await temporaryFolder("millrace-syncs-");
  const file = openSync(join(folder.path, "pages"), "w");
  const page = Buffer.alloc(PAGE_BYTES, 0x61);
  const recorder = new LatencyRecorder();
  try {
    // Within a file that has its length, as a log that is written again.
    for (let i = 0; i < PAGES; i++) writeSync(file, page, 0, PAGE_BYTES, i * PAGE_BYTES);
    fdatasyncSync(file);
    const ends = performance.now() + durationMs;
    for (let i = 0; performance.now() < ends; i++) {
      const started = performance.now();
      writeSync(file, page, 0, PAGE_BYTES, (i % PAGES) * PAGE_BYTES);
      fdatasyncSync(file);
      recorder.record(performance.now() - started);
    }
  } finally {
    closeSync(file);
    await folder.remove();
  }
  return recorder.summary();
}
