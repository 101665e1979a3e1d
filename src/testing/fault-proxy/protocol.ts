import type { FaultProxyOptions, FaultProxyStatistics, Faults, SingleFault } from "./faults.js";

/** What the proxy's thread is started with. */
export interface ThreadSetup {
  readonly targetPort: number;
  readonly options: FaultProxyOptions;
}

export type Order =
  | { readonly name: "set"; readonly faults: Faults }
  | { readonly name: "clear" }
  | { readonly name: "cut" }
  | { readonly name: "arm"; readonly fault: SingleFault }
  | { readonly name: "statistics" }
  | { readonly name: "close" };

export interface Asked {
  readonly id: number;
  readonly order: Order;
}

/** `id` 0: the proxy listens, `result` is its port. An armed fault is answered twice: when armed, and when its fate is known. */
export interface Answered {
  readonly id: number;
  readonly isFate?: boolean;
  readonly result?: number | boolean | FaultProxyStatistics;
  readonly error?: string;
}
