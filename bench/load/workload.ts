import { keyAt } from "../lib/key-text.js";
import type { Peer } from "../peers/peer.js";
import type { YardstickCommand } from "../peers/redis-benchmark.js";
import { type InputShape, type Inputs, KEY_PREFIX, SEQUENCE_LENGTH } from "./inputs.js";
import type { ValueSize } from "./records.js";

export type Operation = "get" | "put" | "put-ttl" | "mixed";

/** One cell of the tables: one operation on values of one size with so many operations in flight. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly operation: Operation;
  readonly inFlight: number;
  readonly input: InputShape;
  /** Subjects of the default run; others are measured when asked for by name. */
  readonly subjects: readonly string[] | "all";
  readonly rounds: number;
  /** Of those subjects that no goal is about. */
  readonly tableRounds: number;
  /** Length of a round as a share of the usual one. */
  readonly roundShare: number;
  /** Each round runs for this share of its length before it counts. */
  readonly warmUpShare: number;
}

export const TTL_MS = 60_000;
const ROUNDS = 3;
/** The cells that goals are about. */
const HEADLINE = { inFlight: 1000, size: "100B", rounds: 5, share: 3 / 2 };
/**
 * A few operations in flight leave both processes asleep most of the time, and how fast they wake changes with where
 * the system puts them, for tenths of a second on end. Many short rounds give every subject its share of both.
 */
const SHORT_ROUNDS = { upTo: 10, times: 2, share: 1 / 2 };
/**
 * After the rounds of the others processor caches are theirs, and V8, which has seen an idle process, begins with a full
 * collection. Where values are large it goes on with one every 25 MB of them, until one happens to end while much of
 * that memory is not freed yet: whoever is measured then needs two to three times the processor time, for 300 ms more.
 */
const WARM_UP_SHARE = 1 / 2;
const LARGE_VALUES = { size: "16KiB", from: 100, share: 1, warmUpShare: 3 };
const KEY_COUNT: Record<ValueSize, number> = { "100B": 100_000, "1KiB": 10_000, "16KiB": 2_000 };

function cell(operation: Operation, size: ValueSize, inFlight: number, subjects: Workload["subjects"]): Workload {
  const zipf = operation === "mixed" ? 0.99 : undefined;
  const isHeadline = size === HEADLINE.size && inFlight === HEADLINE.inFlight;
  const isLarge = size === LARGE_VALUES.size && inFlight >= LARGE_VALUES.from;
  const usual = { times: 1, share: isHeadline ? HEADLINE.share : isLarge ? LARGE_VALUES.share : 1 };
  const { times, share } = inFlight <= SHORT_ROUNDS.upTo ? SHORT_ROUNDS : usual;
  const loads: Record<Operation, string> = { get: "a", put: "a", "put-ttl": "t", mixed: "z" };
  const sizes: Record<ValueSize, string> = { "100B": "", "1KiB": "k", "16KiB": "l" };
  const label = size === "100B" ? "100 B" : `${size.replace("KiB", " KiB")} JSON`;
  const what = { get: "get", put: "put", "put-ttl": "put with TTL", mixed: "50/50 get and put, Zipf(0.99)" }[operation];
  return {
    name: `${operation === "mixed" ? "mixed-zipf" : operation}-${size}@${inFlight}`,
    title: `${what}, ${label}, ${inFlight} in flight`,
    operation,
    inFlight,
    input: {
      size,
      space: loads[operation] + sizes[size],
      keyCount: zipf === undefined ? KEY_COUNT[size] : 10_000,
      ...(zipf === undefined ? {} : { zipf }),
    },
    subjects,
    rounds: (size === HEADLINE.size ? HEADLINE.rounds : ROUNDS) * times,
    tableRounds: ROUNDS * times,
    roundShare: share,
    warmUpShare: isLarge ? LARGE_VALUES.warmUpShare : WARM_UP_SHARE,
  };
}

/** Plain ioredis is what latency is measured against, with pipelining on the strongest of its ways. */
const LATENCY_SUBJECTS = ["millrace", "ioredis", "ioredis-auto"];

export const WORKLOADS: readonly Workload[] = [
  cell("put", "100B", 1000, "all"),
  cell("get", "100B", 1000, "all"),
  cell("put-ttl", "100B", 1000, "all"),
  cell("mixed", "100B", 1000, "all"),
  ...[1, 10, 100].flatMap((inFlight) => [
    cell("put", "100B", inFlight, LATENCY_SUBJECTS),
    cell("get", "100B", inFlight, LATENCY_SUBJECTS),
  ]),
  ...(["1KiB", "16KiB"] as const).flatMap((size) =>
    [1, 100, 1000].flatMap((inFlight) => [cell("put", size, inFlight, "all"), cell("get", size, inFlight, "all")]),
  ),
];

export function workloadNamed(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined) throw new Error(`there is no workload ${name}`);
  return found;
}

export function shapeOf(name: string): InputShape {
  return workloadNamed(name).input;
}

/** A further workload in the open, at a rate: see `--rate`. */
export function openLoopName(workload: Workload, ratePerSec: number): string {
  return `${workload.name.slice(0, workload.name.lastIndexOf("@"))}@${ratePerSec}/s`;
}

/**
 * The next operation of the load, as a function without arguments: bound once per round, so that all subjects pay
 * the same for making keys and choosing values. Keys picked from a large set of strings made beforehand would mostly
 * measure this process's cache misses.
 */
export function bindOperation(operation: Operation, peer: Peer, inputs: Inputs): () => Promise<unknown> {
  const { keyHead, indices, values, writes } = inputs;
  const mask = SEQUENCE_LENGTH - 1;
  const valueCount = values.length;
  let cursor = -1;
  let valueCursor = -1;
  const key = (): string => {
    cursor = (cursor + 1) & mask;
    return keyAt(keyHead, indices[cursor]!);
  };
  const value = (): string => {
    valueCursor = valueCursor + 1 === valueCount ? 0 : valueCursor + 1;
    return values[valueCursor]!;
  };
  switch (operation) {
    case "get":
      return () => peer.get(key());
    case "put":
      return () => peer.put(key(), value());
    case "put-ttl":
      return () => peer.putWithTtl(key(), value(), TTL_MS);
    case "mixed":
      return () => {
        const next = key();
        return writes[cursor] === 1 ? peer.put(next, value()) : peer.get(next);
      };
  }
}

/** What redis-benchmark does beside this load; two commands where the load is a mix of two. */
export function yardstickCommands({ operation, input }: Workload, value: string): YardstickCommand[] {
  const key = `${KEY_PREFIX}${input.space}__rand_int__`;
  const get = { words: ["GET", key], keys: input.keyCount };
  const set = { words: ["SET", key, value], keys: input.keyCount };
  switch (operation) {
    case "get":
      return [get];
    case "put":
      return [set];
    case "put-ttl":
      return [{ words: ["PSETEX", key, String(TTL_MS), value], keys: input.keyCount }];
    case "mixed":
      return [set, get];
  }
}
