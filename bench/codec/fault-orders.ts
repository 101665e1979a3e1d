/** How a codec thread is brought down, by the number under which the order goes to the threads. */
export const FAULTS = ["exit", "out of memory", "endless loop"] as const;
export type Fault = (typeof FAULTS)[number];

/** Where the threads find the memory in which orders stand: 0, or a fault's place in the list plus one. */
export const ORDERS = "millrace-bench-fault-orders";
