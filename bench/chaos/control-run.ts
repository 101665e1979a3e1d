import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { createEngine } from "../../src/index.js";
import { type Arena, KEY_PREFIX, openArena, PASSWORD } from "./arena.js";
import { ENGINE_OPTIONS } from "./run-chaos.js";

export interface ControlRow {
  readonly subject: string;
  readonly increments: number;
  readonly acknowledged: number;
  readonly failed: number;
  /** Counters above 1, each incremented by one call. */
  readonly duplicated: number;
  /** Acknowledged and not in the store. */
  readonly lost: number;
  readonly cuts: number;
}

const CUT_EVERY_MS = 37;
const CALLERS = 256;
const PAUSE_AFTER_FAILURE_MS = 5;
const PAGE = 1000;

type Increment = (key: string) => Promise<unknown>;

/**
 * The same storm for ioredis with its defaults and for us: each counter is incremented by exactly one call, so a
 * counter above 1 is an increment that was sent twice. Shows that the storm finds what it is meant to find.
 */
export async function runControl(durationMs: number): Promise<readonly ControlRow[]> {
  const arena = await openArena();
  try {
    const client = new Redis({ host: "127.0.0.1", port: arena.proxy.port, password: PASSWORD });
    // Without a listener it prints every reset.
    client.on("error", () => {});
    const theirs = await storm(arena, "ioredis, defaults", durationMs, (key) => client.incr(KEY_PREFIX + key));
    client.disconnect();
    await arena.wipe();
    const engine = await createEngine({ ...ENGINE_OPTIONS, backend: arena.url });
    const ours = await storm(arena, "millrace", durationMs, (key) => engine.increment(key));
    await engine.close();
    return [theirs, ours];
  } finally {
    await arena.close();
  }
}

async function storm(arena: Arena, subject: string, durationMs: number, increment: Increment): Promise<ControlRow> {
  const before = (await arena.proxy.statistics()).cuts;
  const acknowledged = new Set<number>();
  let issued = 0;
  let failed = 0;
  let isOver = false;
  const caller = async (): Promise<void> => {
    while (!isOver) {
      const index = issued++;
      try {
        await increment(String(index));
        acknowledged.add(index);
      } catch {
        failed++;
        await delay(PAUSE_AFTER_FAILURE_MS);
      }
    }
  };
  await arena.proxy.set({ cutEveryMs: CUT_EVERY_MS });
  const callers = Array.from({ length: CALLERS }, caller);
  await delay(durationMs);
  isOver = true;
  await arena.proxy.clear();
  await Promise.all(callers);
  const cuts = (await arena.proxy.statistics()).cuts - before;
  const { duplicated, lost } = await compare(arena, issued, acknowledged);
  return { subject, increments: issued, acknowledged: acknowledged.size, failed, duplicated, lost, cuts };
}

async function compare(arena: Arena, issued: number, acknowledged: ReadonlySet<number>) {
  let duplicated = 0;
  let lost = 0;
  for (let at = 0; at < issued; at += PAGE) {
    const indices = Array.from({ length: Math.min(PAGE, issued - at) }, (_, offset) => at + offset);
    const stored = await arena.admin.mget(indices.map((index) => KEY_PREFIX + index));
    for (const [offset, value] of stored.entries()) {
      if (Number(value ?? 0) > 1) duplicated++;
      if (value === null && acknowledged.has(at + offset)) lost++;
    }
  }
  return { duplicated, lost };
}
