import type { Engine } from "../../src/index.js";

/** How many connections to its store an engine has open, at work or not. */
export function openConnections(engine: Engine): number {
  const { activeConnections, idleConnections } = engine.stats();
  return activeConnections + idleConnections;
}
