import { runCodecJob as workProperly } from "../../../src/workers/codec-worker.js";
import type { CodecRequest } from "../../../src/workers/protocol.js";

/** What a value may begin with to bring down the thread that meets it. */
export const POISONS = ["exit", "heap", "loop", "throw", "reject", "late throw", "garbage"] as const;
export type Poison = (typeof POISONS)[number];

export function poisoned(poison: Poison | "first thread only", text: string): string {
  return `<<poison: ${poison}>>${text}`;
}

/** Whether this thread is the first of its pool. Threads are numbered by the process and never take an old number. */
let jobs = 0;

export function runCodecJob(request: CodecRequest): unknown {
  jobs++;
  const bytes = Buffer.from(request.slab);
  const poison = POISONS.find((name) => bytes.includes(poisoned(name, "")));
  if (poison !== undefined) return fail(poison);
  // A thread that has worked before dies of it, its successor does not: the job's second attempt succeeds.
  if (jobs > 3 && bytes.includes(poisoned("first thread only", ""))) process.exit(7);
  return workProperly(request);
}

function fail(poison: Poison): unknown {
  switch (poison) {
    case "exit":
      return process.exit(7);
    case "heap": {
      const hoard: number[][] = [];
      for (;;) hoard.push(new Array<number>(10_000).fill(hoard.length));
    }
    case "loop":
      for (;;);
    case "throw":
      throw new TypeError("thrown by a codec thread");
    case "reject":
      return Promise.reject(new RangeError("rejected by a codec thread"));
    case "late throw":
      setImmediate(() => {
        throw new Error("thrown by a codec thread outside its job");
      });
      return new Promise(() => {});
    case "garbage":
      return { ok: false, detail: "no memory" };
  }
}
