/**
 * Work that must be done even when the process is told to end: servers started by a test or a bench must not
 * outlive it. Runs on exit, and on the signals that would end the process without an exit event.
 */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const pending = new Set<() => void>();

/** Each runs, whatever becomes of the others; what failed is thrown afterwards. */
function runAll(): void {
  const failures: unknown[] = [];
  for (const cleanup of pending) {
    try {
      cleanup();
    } catch (error) {
      failures.push(error);
    }
  }
  pending.clear();
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, `${failures.length} clean-ups failed`);
}

function onSignal(signal: NodeJS.Signals): void {
  try {
    runAll();
  } catch (error) {
    // Thrown it would be lost with the process, or become another ending than the one that was asked for.
    console.error(error);
  }
  process.off(signal, onSignal);
  // With another listener the process is meant to live on or to end itself in its own way.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

/** `cleanup` must be synchronous. Returns what takes it off the list again. */
export function atExit(cleanup: () => void): () => void {
  if (pending.size === 0) {
    process.on("exit", runAll);
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  pending.add(cleanup);
  return () => {
    pending.delete(cleanup);
    if (pending.size > 0) return;
    process.off("exit", runAll);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}
