import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collector = (options?: { type: "minor" }) => void;

/** Sockets that were closed, and what is to be told of a collection, have their turns later. */
const ENDS_OF_SOCKETS_MS = 20;

const collect = exposeCollector();

/** Everything, for a clean start or to see what is really held. */
export function collectGarbage(): void {
  collect();
}

/**
 * What engines have left behind when they were closed: the memory of the kernel, of which a process has so much, is given
 * back after the collection of who had it. The next engine then has what it would have in a process of its own.
 */
export async function collectAbandoned(): Promise<void> {
  await setTimeout(ENDS_OF_SOCKETS_MS);
  collect();
  await setTimeout(ENDS_OF_SOCKETS_MS);
}

/**
 * Before cells and rounds: the young generation only, so that none pays for the short-lived objects of the one before. A
 * full collection would also throw away what the compiler has learnt, and at one operation in flight it takes seconds
 * to learn it again: ours, which has the most to learn, then did 0.6 to 0.9 of the operations it otherwise does.
 */
export function collectYoungGarbage(): void {
  collect({ type: "minor" });
}

function exposeCollector(): Collector {
  if (typeof globalThis.gc === "function") return globalThis.gc as Collector;
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as Collector;
}
