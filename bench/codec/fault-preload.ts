import { getEnvironmentData, isMainThread } from "node:worker_threads";
import { FAULTS, type Fault, ORDERS } from "./fault-orders.js";

/*
 * Loaded into every thread of the process in which codec threads are to fail. The engine knows nothing of it: a codec
 * thread looks at the clock when a job begins, and there an order to fail is obeyed, with the job half done.
 */
const orders = getEnvironmentData(ORDERS) as Int32Array | undefined;
if (!isMainThread && orders !== undefined) {
  const now = performance.now.bind(performance);
  performance.now = () => {
    const fault = FAULTS[Atomics.exchange(orders, 0, 0) - 1];
    if (fault !== undefined) fail(fault);
    return now();
  };
}

function fail(fault: Fault): void {
  if (fault === "exit") process.exit(7);
  const hoard: number[][] = [];
  for (;;) if (fault === "out of memory") hoard.push(new Array<number>(10_000).fill(hoard.length));
}
