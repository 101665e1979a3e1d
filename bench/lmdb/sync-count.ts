import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { findOnPath } from "../../src/testing/index.js";

const SYNC = /\b(?:fsync|fdatasync|msync|sync_file_range)\(/g;

/**
 * How often a process has the disk synced while `run` runs, by strace; null: there is none, or it may not look on.
 * Tracing makes each call dearer, so a round that is counted is not one that is measured.
 *
 * @param pid another process than this one: a tracer that is a child of whom it traces may wait for it for ever
 */
export async function countSyncs(pid: number, run: () => Promise<unknown>): Promise<number | null> {
  const strace = await findOnPath(["strace"]);
  if (strace === null) return null;
  const traced = ["-f", "-qq", "-e", "trace=fsync,fdatasync,msync,sync_file_range", "-p", String(pid)];
  const tracer = spawn(strace, traced, { stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  tracer.stderr.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = once(tracer, "close");
  // It stops every thread when it attaches; what it cannot attach to it says at once.
  await delay(300);
  if (tracer.exitCode !== null) return null;
  const before = [...output.matchAll(SYNC)].length;
  await run();
  // Not SIGINT, which whoever starts a run in the background may have had ignored.
  tracer.kill("SIGTERM");
  const killing = setTimeout(() => tracer.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(killing);
  return [...output.matchAll(SYNC)].length - before;
}
