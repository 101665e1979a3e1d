import { stat } from "node:fs/promises";
import type { CommitQueue } from "./commit-queue.js";
import { endsWithin } from "./ends-within.js";

/*
 * To open a database the library begins a write transaction and waits for the lock of the file on this thread. The
 * transaction of another engine on the same file may hold that lock while the library's thread waits for this one, which
 * is to run what it reads and writes: both would wait for ever. So an engine of this thread opens while no other one of
 * this thread has a transaction under way. Those of other threads and processes end without us.
 */
const queues = new Map<string, Set<CommitQueue>>();

/** What names a directory whatever the path to it. */
export async function directoryIdentity(path: string): Promise<string> {
  const { dev, ino } = await stat(path, { bigint: true });
  return `${dev}:${ino}`;
}

/**
 * Runs `open` in one turn while the queues of `directory` in this thread rest, and adds the queue that it returns.
 * @throws Error if one of them does not come to rest within `limitMs`
 */
export async function openBetweenCommits<Opened extends { readonly queue: CommitQueue }>(
  directory: string,
  open: () => Opened,
  limitMs: number,
): Promise<Opened> {
  const deadlineMs = performance.now() + limitMs;
  const held = new Set<CommitQueue>();
  try {
    for (;;) {
      // Others may have been opened while these came to rest.
      const busy = [...(queues.get(directory) ?? [])].filter((queue) => !held.has(queue));
      if (busy.length === 0) break;
      for (const queue of busy) held.add(queue);
      const resting = Promise.all(busy.map((queue) => queue.hold()));
      if (!(await endsWithin(resting, deadlineMs - performance.now()))) {
        throw new Error(`a transaction of this process has been under way for more than ${limitMs} ms`);
      }
    }
    const opened = open();
    const known = queues.get(directory);
    if (known === undefined) queues.set(directory, new Set([opened.queue]));
    else known.add(opened.queue);
    return opened;
  } finally {
    for (const queue of held) queue.release();
  }
}

/** To be called when the queue is closed and its last transaction has ended. */
export function forgetQueue(directory: string, queue: CommitQueue): void {
  const known = queues.get(directory);
  known?.delete(queue);
  if (known?.size === 0) queues.delete(directory);
}
