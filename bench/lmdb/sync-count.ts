import { spawn } from "node:child_process";
import { once } from "node:events";
import { findOnPath } from "../../src/testing/index.js";

const SYNC = /\b(?:fsync|fdatasync|msync|sync_file_range)\(/g;

/**
 * How often this process has the disk synced while `run` runs, by strace; null: there is none, or it may not look on.
 * Tracing makes each call dearer, so a round that is counted is not one that is measured.
 */
export async function countSyncs(run: () => Promise<unknown>): Promise<number | null> {
  const strace = await findOnPath(["strace"]);
  if (strace === null) return null;
  const traced = ["-f", "-qq", "-e", "trace=fsync,fdatasync,msync,sync_file_range", "-p", String(process.pid)];
  const tracer = spawn(strace, traced, { stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  tracer.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = once(tracer, "close");
  // It stops every thread when it attaches; what it cannot attach to it says at once.
  await new Promise((resolve) => setTimeout(resolve, 300));
  if (tracer.exitCode !== null) return null;
  const before = [...output.matchAll(SYNC)].length;
  await run();
  tracer.kill("SIGINT");
  await ended;
  return [...output.matchAll(SYNC)].length - before;
}
