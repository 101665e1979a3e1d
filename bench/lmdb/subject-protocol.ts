import type { LoopResult } from "../load/closed-loop.js";

/** What a run asks of a subject's process. */
export interface SubjectOrders {
  round: {
    readonly order: { readonly kind: "put" | "get"; readonly inFlight: number; readonly durationMs: number };
    readonly answer: LoopResult;
  };
  close: { readonly order: object; readonly answer: null };
}

export interface SubjectFacts {
  readonly kinds: readonly ("put" | "get")[];
}

export interface SubjectStart {
  readonly name: string;
  /** A folder for this subject alone. */
  readonly folder: string;
}
