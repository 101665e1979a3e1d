import { setTimeout as delay } from "node:timers/promises";
import { openCompressor } from "../../src/codec/compression/open-compressor.js";
import { Envelope } from "../../src/codec/envelope.js";
import { crc32 } from "../../src/core/crc32.js";
import type { DirectionFaults, FaultProxy, Faults, SingleFault } from "../../src/testing/index.js";
import { below, pick, type Random } from "../lib/rng.js";
import { type Arena, adminClient, type Follower, KEY_PREFIX, PASSWORD } from "./arena.js";
import { waitUntil } from "./wait-until.js";

export interface FaultKind {
  readonly name: string;
  /** What is done, for the report. */
  readonly doing: string;
  /** Whom it is done to. Faults of different ones may come together. */
  readonly at: "way" | "server" | "replica";
  /** Injects it once and resolves, when it is over and the server as good as before, to how often it struck. */
  inject(arena: Arena, random: Random): Promise<number>;
}

const CUT_EVERY_MS = 37;
/** Frames of the engine's values are longer; shorter bulks belong to the handshake. */
const MIN_VALUE_BYTES = 24;
/** How long a single fault may wait for traffic that it fits. */
const PATIENCE_MS = 300;

const between = (random: Random, fromMs: number, untilMs: number): number => fromMs + below(random, untilMs - fromMs);

export const FAULT_KINDS: readonly FaultKind[] = [
  {
    name: "cut-storm",
    doing: `all connections reset every ${CUT_EVERY_MS} ms`,
    at: "way",
    async inject({ proxy }, random) {
      const before = (await proxy.statistics()).cuts;
      await proxy.set({ cutEveryMs: CUT_EVERY_MS });
      await delay(between(random, 300, 800));
      await proxy.clear();
      return (await proxy.statistics()).cuts - before;
    },
  },
  once("lost-ack", "a reply is dropped after the work was done, then reset", () => ({ kind: "lost-ack" })),
  once("payload-flip", "one bit of a value from the server", () => ({
    kind: "flip-payload",
    minBytes: MIN_VALUE_BYTES,
  })),
  once("length-flip", "the length of a value: too short, too long, absurd, to the end of a later reply", (random) => ({
    kind: "flip-length",
    minBytes: MIN_VALUE_BYTES,
    how: pick(random, ["shorter", "longer", "absurd", "swallowing"] as const),
  })),
  once("extra-reply", "a reply too many, holding a neighbour's value", () => ({
    kind: "extra-reply",
    bytes: foreignReply(),
  })),
  lasting("swallow", "half-open: bytes vanish, sockets stay", 200, 900, (random) =>
    pick(random, [{ toServer: { swallow: true } }, { toClient: { swallow: true } }, both({ swallow: true })]),
  ),
  lasting("delay", "every piece 20 to 150 ms late", 200, 500, (random) => both({ delayMs: between(random, 20, 150) })),
  lasting("throttle", "at most 100 kB a second each way", 200, 500, () => both({ bytesPerSecond: 100_000 })),
  lasting("trickle", "one byte a write", 200, 400, () => both({ trickle: true })),
  afresh("refuse", "nothing listens", { accept: "refuse" }),
  afresh("accept-silence", "accepted, never answered", { accept: "silence" }),
  afresh("accept-close", "accepted, closed at once", { accept: "close" }),
  {
    name: "kill-9",
    doing: "the server is killed and started again",
    at: "server",
    async inject({ server }, random) {
      await server.kill();
      await delay(between(random, 0, 300));
      await server.restart();
      return 1;
    },
  },
  {
    name: "freeze",
    doing: "SIGSTOP, then SIGCONT",
    at: "server",
    async inject({ server }, random) {
      server.pause();
      await delay(between(random, 50, 1200));
      server.resume();
      return 1;
    },
  },
  {
    name: "client-pause",
    doing: "CLIENT PAUSE, writes or all",
    at: "server",
    async inject({ admin }, random) {
      const forMs = between(random, 50, 700);
      await admin.call("CLIENT", "PAUSE", forMs, pick(random, ["WRITE", "ALL"]));
      await delay(forMs);
      return 1;
    },
  },
  {
    name: "loading",
    doing: "the server reloads its data and answers LOADING",
    at: "server",
    async inject({ admin }) {
      const keys = await admin.dbsize();
      await admin.config("SET", "key-load-delay", Math.ceil(300_000 / Math.max(1, keys)));
      await admin.debug("RELOAD");
      await admin.config("SET", "key-load-delay", 0);
      return 1;
    },
  },
  {
    name: "busy-script",
    doing: "a script that does not end, then SCRIPT KILL",
    at: "server",
    async inject({ admin, server }, random) {
      const looper = adminClient(server.port);
      const ended = looper.eval("while true do end", 0).catch((error: Error) => error.message);
      await delay(between(random, 80, 400));
      // On a busy machine the script may begin later than that.
      await waitUntil("the script has begun and was killed", () => killScript(admin));
      await ended;
      looper.disconnect();
      return 1;
    },
  },
  settings("out-of-memory", "maxmemory reached, nothing may be evicted", "maxmemory", "1", "0"),
  settings("max-clients", "no connection beyond those that are open", "maxclients", "1", "10000", true),
  settings("wrong-password", "the password is another one", "requirepass", "rotated", PASSWORD, true),
  {
    name: "read-only",
    doing: "the server becomes a replica of nobody",
    at: "server",
    async inject({ admin }, random) {
      await admin.config("SET", "replica-serve-stale-data", pick(random, ["yes", "no"]));
      await admin.replicaof("127.0.0.1", 1);
      await delay(between(random, 50, 400));
      await admin.replicaof("NO", "ONE");
      return 1;
    },
  },
  {
    name: "script-flush",
    doing: "SCRIPT FLUSH",
    at: "server",
    async inject({ admin }) {
      await admin.script("FLUSH");
      return 1;
    },
  },
];

/** Of servers that follow, for runs in which the engine reads from some. */
export const REPLICA_FAULT_KINDS: readonly FaultKind[] = [
  ofFollower("replica-cut", "connections to a replica reset", ({ proxy }) => proxy.cut()),
  ofFollower("replica-swallow", "half-open on the way to a replica", async ({ proxy }, random) => {
    await proxy.set(pick(random, [{ toServer: { swallow: true } }, { toClient: { swallow: true } }]));
    await delay(between(random, 100, 500));
    await proxy.clear();
  }),
  ofFollower("replica-late", "answers of a replica 20 to 150 ms late", async ({ proxy }, random) => {
    await proxy.set({ toClient: { delayMs: between(random, 20, 150) } });
    await delay(between(random, 200, 500));
    await proxy.clear();
  }),
  ofFollower("replica-damage", "one bit of a value from a replica, or a reply too many", async ({ proxy }, random) => {
    const fault: SingleFault = pick(random, [
      { kind: "flip-payload", minBytes: MIN_VALUE_BYTES },
      { kind: "extra-reply", bytes: foreignReply() },
    ] as const);
    return strikeOnce(proxy, fault);
  }),
  ofFollower("replica-lag", "changes reach a replica 100 to 600 ms late", async ({ link }, random) => {
    await link.set({ toClient: { delayMs: between(random, 100, 600) } });
    await delay(between(random, 300, 900));
    await link.clear();
  }),
  ofFollower("replica-unlinked", "a replica loses its link, and gets it again", async ({ link }, random) => {
    await link.set({ accept: "refuse" });
    await link.cut();
    await delay(between(random, 50, 500));
    await link.clear();
  }),
  ofFollower("replica-freeze", "SIGSTOP of a replica, then SIGCONT", async ({ server }, random) => {
    server.pause();
    await delay(between(random, 50, 900));
    server.resume();
  }),
  ofFollower("replica-kill", "a replica is killed and started again", async ({ server }, random) => {
    await server.kill();
    await delay(between(random, 0, 200));
    await server.restart();
  }),
];

function ofFollower(
  name: string,
  doing: string,
  strike: (follower: Follower, random: Random) => Promise<number | undefined>,
): FaultKind {
  return {
    name,
    doing,
    at: "replica",
    async inject({ followers }, random) {
      return (await strike(pick(random, followers), random)) ?? 1;
    },
  };
}

function both(faults: DirectionFaults): Faults {
  return { toServer: faults, toClient: faults };
}

/** Once, or never: if no traffic that it fits comes in time. */
async function strikeOnce(proxy: FaultProxy, fault: SingleFault): Promise<0 | 1> {
  const { happened } = await proxy.arm(fault);
  const timer = setTimeout(() => void proxy.clear(), PATIENCE_MS);
  const struck = await happened;
  clearTimeout(timer);
  return struck ? 1 : 0;
}

function once(name: string, doing: string, fault: (random: Random) => SingleFault): FaultKind {
  return {
    name,
    doing,
    at: "way",
    async inject({ proxy }, random) {
      return strikeOnce(proxy, fault(random));
    },
  };
}

function lasting(
  name: string,
  doing: string,
  fromMs: number,
  untilMs: number,
  faults: (random: Random) => Faults,
): FaultKind {
  return {
    name,
    doing,
    at: "way",
    async inject({ proxy }, random) {
      await proxy.set(faults(random));
      await delay(between(random, fromMs, untilMs));
      await proxy.clear();
      return 1;
    },
  };
}

/** For faults that only new connections meet. */
function afresh(name: string, doing: string, faults: Faults): FaultKind {
  return {
    name,
    doing,
    at: "way",
    async inject({ proxy }, random) {
      await proxy.set(faults);
      await proxy.cut();
      await delay(between(random, 50, 600));
      await proxy.clear();
      return 1;
    },
  };
}

function settings(
  name: string,
  doing: string,
  setting: string,
  during: string,
  after: string,
  cuts = false,
): FaultKind {
  return {
    name,
    doing,
    at: "server",
    async inject({ admin, proxy }, random) {
      await admin.config("SET", setting, during);
      if (cuts) await proxy.cut();
      await delay(between(random, 50, 400));
      await admin.config("SET", setting, after);
      return 1;
    },
  };
}

/** A value as the engine stores it, under a key that nobody asks for. */
async function killScript(admin: Arena["admin"]): Promise<boolean> {
  try {
    await admin.script("KILL");
    return true;
  } catch (error) {
    if ((error as Error).message.startsWith("NOTBUSY")) return false;
    throw error;
  }
}

function foreignReply(): Buffer {
  const codec = new Envelope({
    checksum: "crc32",
    compressor: undefined,
    thresholdBytes: 1024,
    decompressors: [openCompressor("lz4", undefined)],
    maxValueBytes: 1024,
  });
  const frame = codec.encode(crc32(Buffer.from(`${KEY_PREFIX}neighbour`)), "the value of a neighbour");
  return Buffer.concat([Buffer.from(`$${frame.length}\r\n`), frame, Buffer.from("\r\n")]);
}
