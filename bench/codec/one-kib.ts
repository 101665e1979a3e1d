import { collectAbandoned, collectGarbage } from "../lib/garbage.js";
import { isInstalled } from "../lib/installed.js";
import { pairedRatio } from "../lib/paired.js";
import { type Comparison, judge, type Target } from "../lib/report.js";
import { runEach } from "../load/closed-loop.js";
import { type Inputs, makeInputs } from "../load/inputs.js";
import { bindOperation } from "../load/workload.js";
import { InlineLz4Peer } from "../peers/inline-lz4.js";
import { MillracePeer } from "../peers/millrace.js";
import type { Peer } from "../peers/peer.js";
import type { CodecBench } from "./codec-bench.js";
import { learn } from "./learn.js";
import { openLink } from "./link.js";
import { measureSideBySide, warmUp } from "./side-by-side.js";

const IN_FLIGHT = 1000;
const ROUNDS = 5;
const QUICK_ROUNDS = 2;
const ROUND_MS = 170;
const WARM_UP_MS = 250;
const KEYS = 10_000;
const PROBES = 20;
const SEED = 5;
const GIGABIT_BYTES_PER_SECOND = 125e6;
const OWN = "millrace lz4";
const PLAIN = "millrace none";

interface Other {
  readonly name: string;
  /** Packages that are there for the bench alone: who installs millrace does not get them. */
  readonly needs: readonly string[];
  open(): Promise<Peer>;
}

/** Each loaded when it is used. */
const OTHERS: readonly Other[] = [
  { name: "ioredis-auto+lz4-wasm", needs: [], open: async () => new InlineLz4Peer() },
  {
    name: "keyv+lz4",
    needs: ["keyv", "@keyv/redis", "@keyv/compress-lz4"],
    open: async () => new (await import("../peers/keyv.js")).KeyvPeer(),
  },
  {
    name: "valkey-glide+lz4",
    needs: ["@valkey/valkey-glide"],
    open: async () => new (await import("../peers/valkey-glide.js")).ValkeyGlidePeer("lz4"),
  },
];
export const CODEC_PEER_PACKAGES = ["ioredis", "lz4-wasm", ...OTHERS.flatMap(({ needs }) => needs).filter(isInstalled)];

interface Subject {
  readonly peer: Peer;
  /** Everybody writes another form, so everybody has keys of their own. */
  readonly inputs: Inputs;
}

/** LZ4 against no compression, and against others' LZ4, on a fast and on a slow way to Redis. */
export async function measureOneKib(bench: CodecBench): Promise<void> {
  const { redis } = bench.stores;
  if (redis === undefined) {
    bench.note("codec-1KiB needs Redis and is left out");
    return;
  }
  await measureWay(bench, redis.url, "", [["M2.1KiB", "ops/s with LZ4 against none", 0.8]]);
  const link = await openLink({
    targetHost: redis.host,
    targetPort: redis.port,
    bytesPerSecond: GIGABIT_BYTES_PER_SECOND,
  });
  try {
    const url = new URL(redis.url);
    url.hostname = "127.0.0.1";
    url.port = String(link.port);
    await measureWay(bench, url.toString(), "/1Gbit", [["M2.1Gbit", "the same over a link of 1 Gbit/s", 1]]);
  } finally {
    await link.close();
  }
}

async function measureWay(
  bench: CodecBench,
  url: string,
  way: string,
  goals: readonly (readonly [string, string, number])[],
): Promise<void> {
  const subjects: Subject[] = [];
  await collectAbandoned();
  try {
    for (const peer of await peersOf(bench)) {
      bench.progress(`codec-1KiB${way}  loading ${peer.name}`);
      await peer.connect(url);
      const space = `codec${subjects.length}`;
      const inputs = makeInputs({ size: "1KiB", space, keyCount: KEYS }, SEED);
      subjects.push({ peer, inputs });
      await load(peer, inputs);
    }
    for (const operation of ["put", "get"] as const) {
      const workload = `codec-${operation}-1KiB@${IN_FLIGHT}${way}`;
      const contenders = subjects.map(({ peer, inputs }) => ({
        name: peer.name,
        bind: () => bindOperation(operation, peer, inputs),
      }));
      collectGarbage();
      for (const [index, contender] of contenders.entries()) {
        await warmUp(contender, IN_FLIGHT, WARM_UP_MS);
        const { peer } = subjects[index]!;
        if (peer instanceof MillracePeer) await learn(contender, peer.engine, IN_FLIGHT);
      }
      const rows = await measureSideBySide(contenders, {
        ...{ workload, inFlight: IN_FLIGHT, timed: true, progress: bench.progress },
        roundMs: bench.roundMs ?? ROUND_MS,
        rounds: bench.quick ? QUICK_ROUNDS : ROUNDS,
      });
      bench.measured(`${operation}, 1 KiB JSON, ${IN_FLIGHT} in flight${way === "" ? "" : ", link of 1 Gbit/s"}`, rows);
      for (const [id, title, goal] of goals) bench.target(goalOf(`${id}-${operation}`, title, goal, operation, rows));
    }
  } finally {
    await Promise.allSettled(subjects.map(({ peer }) => peer.close()));
  }
}

async function peersOf({ peers, note }: CodecBench): Promise<Peer[]> {
  const all: Peer[] = [
    new MillracePeer(OWN, { compression: { codec: "lz4" } }),
    new MillracePeer(PLAIN, { compression: { codec: "none" } }),
  ];
  for (const { name, needs, open } of OTHERS) {
    if (peers?.includes(name.split("+")[0]!) === false) continue;
    const missing = needs.filter((needed) => !isInstalled(needed));
    if (missing.length > 0) note(`${name} is left out, not installed: ${missing.join(", ")}`);
    else all.push(await open());
  }
  return all;
}

function goalOf(id: string, title: string, goal: number, operation: string, rows: readonly Comparison[]): Target {
  const find = (name: string): Comparison => rows.find(({ subject }) => subject === name)!;
  return judge({
    ...{ id, title: `${operation}, 1 KiB JSON: ${title}`, source: "side by side in this run" },
    ...{ goal, bound: "at least", unit: "x", measured: pairedRatio(find(OWN), find(PLAIN)) },
  });
}

/** Writes every key, and reads some back: speed without right answers is worth nothing. */
async function load(peer: Peer, inputs: Inputs): Promise<void> {
  const valueAt = (index: number): string => inputs.values[index % inputs.values.length]!;
  const failed = await runEach(inputs.keyCount, IN_FLIGHT, (index) => peer.put(inputs.allKeys[index]!, valueAt(index)));
  if (failed > 0) throw new Error(`${peer.name} could not load the keys: ${failed} puts failed`);
  for (let index = 0; index < PROBES; index++) {
    const read = await peer.get(inputs.allKeys[index]!);
    if (read === null || Buffer.from(read as Uint8Array).toString() !== valueAt(index)) {
      throw new Error(`${peer.name} does not read what it wrote`);
    }
  }
}
