import type { Redis } from "ioredis";
import type { Engine } from "../../src/index.js";

/** How many connections to its store an engine has open, at work or not. */
export function openConnections(engine: Engine): number {
  const { activeConnections, idleConnections } = engine.stats();
  return activeConnections + idleConnections;
}

/** Has a server of Redis end one of its clients' connections, of which `choice` says which one; 0: there was none. */
export async function killOne(admin: Redis, choice: number): Promise<number> {
  const own = String(await admin.client("ID"));
  const clients = String(await admin.call("CLIENT", "LIST", "TYPE", "normal"));
  const others = [...clients.matchAll(/^id=(\d+)/gm)].map(([, id]) => id!).filter((id) => id !== own);
  const id = others[choice % others.length];
  return id === undefined ? 0 : Number(await admin.client("KILL", "ID", id));
}
