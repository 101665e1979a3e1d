import type { EngineOptions } from "../../src/index.js";
import { isInstalled } from "../lib/installed.js";
import type { Peer } from "./peer.js";

export const MILLRACE = "millrace";
export const YARDSTICK = "redis-benchmark";

/** Clients are loaded when they are used: a run of one subject must not pay for the others. */
const FACTORIES: Record<string, (engine: EngineOptions) => Promise<Peer>> = {
  millrace: async (engine) => new (await import("./millrace.js")).MillracePeer(MILLRACE, engine),
  ioredis: async () => (await import("./ioredis.js")).plainIoredis(),
  "ioredis-auto": async () => (await import("./ioredis.js")).autoPipeliningIoredis(),
  "node-redis": async () => new (await import("./node-redis.js")).NodeRedisPeer(),
  "iovalkey-auto": async () => new (await import("./iovalkey.js")).IovalkeyPeer(),
  "valkey-glide": async () => new (await import("./valkey-glide.js")).ValkeyGlidePeer(),
};

/** Packages that are there for the bench alone: who installs millrace does not get them. */
const PACKAGES: Readonly<Record<string, string>> = {
  "node-redis": "redis",
  "iovalkey-auto": "iovalkey",
  "valkey-glide": "@valkey/valkey-glide",
};

/** In the order of the tables; the yardstick is a program of its own and not among the clients. */
export const CLIENT_NAMES: readonly string[] = Object.keys(FACTORIES);
export const SUBJECT_NAMES: readonly string[] = [...CLIENT_NAMES, YARDSTICK];

/** @param engine options of the subject millrace */
export function openPeer(name: string, engine: EngineOptions = {}): Promise<Peer> {
  const factory = FACTORIES[name];
  if (factory === undefined) throw new Error(`unknown peer ${name}; there are: ${SUBJECT_NAMES.join(", ")}`);
  return factory(engine);
}

/** The package that this subject needs and that is not installed here; null: it can be opened. */
export function missingPackage(name: string): string | null {
  const needed = PACKAGES[name];
  return needed === undefined || isInstalled(needed) ? null : needed;
}
