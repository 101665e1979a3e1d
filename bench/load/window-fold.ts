import type { LlmRequest } from "./trace.js";

/** What is kept for one minute of requests. */
export interface WindowState {
  readonly requests: number;
  readonly contextTokens: number;
  readonly generatedTokens: number;
  readonly longestContext: number;
}

const WINDOW_MS = 60_000;
const EMPTY: WindowState = { requests: 0, contextTokens: 0, generatedTokens: 0, longestContext: 0 };

/** The step of the fold: what is read is the JSON of the state so far, or null in a window's first request. */
export function addRequest(stored: string | null, request: LlmRequest): string {
  const state = stored === null ? EMPTY : (JSON.parse(stored) as WindowState);
  return JSON.stringify({
    requests: state.requests + 1,
    contextTokens: state.contextTokens + request.contextTokens,
    generatedTokens: state.generatedTokens + request.generatedTokens,
    longestContext: Math.max(state.longestContext, request.contextTokens),
  });
}

/** Requests of each minute, in the order of the trace. */
export function byWindow(requests: readonly LlmRequest[]): Map<number, LlmRequest[]> {
  const windows = new Map<number, LlmRequest[]>();
  for (const request of requests) {
    const window = Math.floor(request.atMs / WINDOW_MS);
    const others = windows.get(window);
    if (others === undefined) windows.set(window, [request]);
    else others.push(request);
  }
  return windows;
}

/** The state that must stand in the store at the end. */
export function expectedStates(requests: readonly LlmRequest[]): Map<number, string> {
  const states = new Map<number, string>();
  for (const [window, list] of byWindow(requests)) {
    states.set(window, list.reduce<string | null>(addRequest, null) as string);
  }
  return states;
}
