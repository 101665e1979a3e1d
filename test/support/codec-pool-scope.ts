import assert from "node:assert/strict";
import type { Value } from "../../src/core/value.js";
import {
  type CodecPool,
  type CodecPoolInternals,
  type CodecPoolOptions,
  createCodecPool,
} from "../../src/workers/codec-pool.js";
import type { CodecSettings } from "../../src/workers/protocol.js";
import type { TestScope } from "./lmdb-scope.js";

export const codecSettings: CodecSettings = {
  codec: "lz4",
  level: undefined,
  checksum: "crc32",
  thresholdBytes: 64,
  maxValueBytes: 16 * 1024 * 1024,
};

/** A pool that is closed when the test ends. */
export function openCodecPool(
  t: TestScope,
  options: Partial<CodecPoolOptions> = {},
  internals: CodecPoolInternals = {},
): CodecPool {
  const pool = createCodecPool({ ...codecSettings, threads: 1, offload: "always", ...options }, internals);
  t.after(() => pool.close());
  return pool;
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
}

interface CollectingLogger {
  readonly lines: LogLine[];
  /** What the lines say went wrong. */
  readonly errors: unknown[];
  readonly logger: NonNullable<CodecPoolOptions["logger"]>;
}

export function collectingLogger(): CollectingLogger {
  const lines: LogLine[] = [];
  const errors: unknown[] = [];
  const log = (level: string) => (details: { readonly err?: unknown }, message: string) => {
    lines.push({ level, message });
    errors.push(details.err);
  };
  return { lines, errors, logger: { debug: log("debug"), warn: log("warn") } };
}

export function checksumsFor(values: readonly unknown[]): Uint32Array {
  return Uint32Array.from(values, (_, index) => Math.imul(index + 1, 2_654_435_761));
}

/** The stored forms of values that all have their memory. */
export async function framesOf(
  pool: CodecPool,
  values: readonly Value[],
  checksums = checksumsFor(values),
): Promise<readonly Buffer[]> {
  const frames = await pool.encode(values, checksums);
  assert.ok(frames.every((frame) => frame !== undefined));
  return frames;
}
