const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Resolves at the first signal that asks this process to end; a second one ends it at once, as by default. */
export function untilStopped(): Promise<(typeof SIGNALS)[number]> {
  return new Promise((resolve) => {
    const stop = (signal: (typeof SIGNALS)[number]): void => {
      for (const name of SIGNALS) process.off(name, stop);
      resolve(signal);
    };
    for (const name of SIGNALS) process.on(name, stop);
  });
}
