import { shortLivedList } from "../../../core/short-lived-list.js";
import type { Batch } from "../../batch.js";
import { type CompareAndSwapDetail, Kind, type Request, type TransactionStep } from "../../request.js";
import { COMPARE_AND_SWAP, INCREMENT } from "../scripts.js";
import { type CommandSlab, encodedCommand } from "./command-slab.js";

const MGET = encodedCommand(["MGET"], false);
const CACHING_YES = encodedCommand(["CLIENT", "CACHING", "YES"]);
const MSET = encodedCommand(["MSET"], false);
const MSETEX = encodedCommand(["MSETEX"], false);
const PX = encodedCommand(["PX"], false);
const NX = encodedCommand(["NX"], false);
const EVAL_INCREMENT = encodedCommand(["EVAL", INCREMENT], false);
const EVAL_SWAP = encodedCommand(["EVAL", COMPARE_AND_SWAP, "1"], false);
const MULTI = encodedCommand(["MULTI"]);
const EXEC = encodedCommand(["EXEC"]);
const SET_WORD = encodedCommand(["SET"], false);
const SWAP_DELETE = encodedCommand(["del"], false);
const SWAP_SET = encodedCommand(["set"], false);

/**
 * Keys in one MGET or MSET. The server works on one command while the rest of the batch is still arriving, and what it
 * holds of a command of this size stays in its cache.
 */
export const KEYS_PER_COMMAND = 128;

/** The header of a command with a fixed number of arguments, the name included. */
function head(elements: number, name: string): Buffer {
  return Buffer.concat([Buffer.from(`*${elements}\r\n`), encodedCommand([name], false)]);
}

const EXISTS = head(2, "EXISTS");
const UNLINK = head(2, "UNLINK");
const PSETEX = head(4, "PSETEX");
const SET = head(3, "SET");
const GETDEL = head(2, "GETDEL");
const PTTL = head(2, "PTTL");
const PEXPIRE = head(3, "PEXPIRE");
const PERSIST = head(2, "PERSIST");

const NO_REQUESTS: readonly Request[] = [];
const NO_RUNS: readonly (readonly Request[])[] = [];
const NO_CHECKSUMS = new Uint32Array(0);

/** What the reader must know to match the replies of an encoded batch. A class, as `shortLivedList` says of literals. */
export class EncodedBatch {
  readonly batch: Batch;
  /** Keys at most in each MGET and MSET. */
  readonly keysPerCommand: number;
  /** CRC-32 of each read's stored key, in the order of `batch.reads`. */
  readChecksums: Uint32Array = NO_CHECKSUMS;
  /** So many reads come first whose keys the server was told to remember; an `OK` goes before each MGET of them. */
  tracked = 0;
  /** How many of the expiring puts share each MSETEX command; undefined: one PSETEX each. */
  expiringRuns: readonly number[] | undefined = undefined;
  /** Those that share a script each. */
  increments = NO_RUNS;
  /** `batch.others` without the increments. */
  singles = NO_REQUESTS;

  constructor(batch: Batch, keysPerCommand: number) {
    this.batch = batch;
    this.keysPerCommand = keysPerCommand;
  }
}

/**
 * Writes the whole batch into the slab, in the order of its groups: increments last, as one script.
 * @param tracks whether the server is to tell of the next change of what is read to be kept
 */
export function encodeBatch(slab: CommandSlab, batch: Batch, hasMsetex: boolean, tracks: boolean): EncodedBatch {
  const keysPerCommand = Math.min(KEYS_PER_COMMAND, batch.mostTogether);
  const encoded = new EncodedBatch(batch, keysPerCommand);
  encodeKeys(slab, batch.probes, EXISTS);
  if (tracks) encoded.tracked = bringMarkedForward(batch.reads);
  encoded.readChecksums = encodeReads(slab, batch.reads, encoded.tracked, keysPerCommand);
  encodeKeys(slab, batch.deletes, UNLINK);
  encodePuts(slab, batch.puts, keysPerCommand);
  encoded.expiringRuns = encodeExpiringPuts(slab, batch, hasMsetex && batch.mostTogether > 1);
  slab.seal();
  if (batch.others.length > 0) {
    encoded.singles = batch.others.filter((request) => request.kind !== Kind.increment);
    encoded.increments = runsOfIncrements(batch);
    for (const request of encoded.singles) encodeSingle(slab, request);
    for (const run of encoded.increments) encodeIncrements(slab, run);
  }
  return encoded;
}

/** No key stands twice among reads, so their order is free. Returns how many have a mark. */
function bringMarkedForward(reads: Request[]): number {
  let marked = 0;
  for (let i = 0; i < reads.length; i++) {
    const request = reads[i]!;
    if (request.mark === 0) continue;
    reads[i] = reads[marked]!;
    reads[marked++] = request;
  }
  return marked;
}

/** Index behind the last read of the MGET that begins with this one. */
export function endOfRun(index: number, tracked: number, reads: number, keysPerCommand: number): number {
  return Math.min(index + keysPerCommand, index < tracked ? tracked : reads);
}

/** A command for each key. */
function encodeKeys(slab: CommandSlab, requests: readonly Request[], head: Buffer): void {
  const count = requests.length;
  for (let i = 0; i < count; ) {
    const next = slab.runs.keys(requests, i, count, head, undefined);
    if (next > i) {
      i = next;
      continue;
    }
    slab.constant(head);
    slab.key(requests[i]!.key, requests[i]!.keyUnits);
    i++;
  }
}

/** MGET also for one key: GET would answer with an error where MGET, by its nature, has none (a key of another type). */
function encodeReads(
  slab: CommandSlab,
  reads: readonly Request[],
  tracked: number,
  keysPerCommand: number,
): Uint32Array {
  const count = reads.length;
  if (count === 0) return NO_CHECKSUMS;
  const checksums = new Uint32Array(count);
  for (let from = 0; from < count; ) {
    const until = endOfRun(from, tracked, count, keysPerCommand);
    if (from < tracked) slab.constant(CACHING_YES);
    slab.arrayHeader(until - from + 1);
    slab.constant(MGET);
    while (from < until) {
      const next = slab.runs.keys(reads, from, until, undefined, checksums);
      if (next > from) {
        from = next;
        continue;
      }
      slab.key(reads[from]!.key, reads[from]!.keyUnits);
      checksums[from++] = slab.keyChecksum;
    }
  }
  return checksums;
}

function encodePuts(slab: CommandSlab, puts: readonly Request[], keysPerCommand: number): void {
  const count = puts.length;
  for (let from = 0; from < count; from += keysPerCommand) {
    const until = Math.min(from + keysPerCommand, count);
    slab.arrayHeader((until - from) * 2 + 1);
    slab.constant(MSET);
    encodeEntries(slab, puts, from, until, undefined);
  }
}

/** Keys and values in turn; with `head` before each the lifetime stands between. */
function encodeEntries(
  slab: CommandSlab,
  puts: readonly Request[],
  from: number,
  until: number,
  head: Buffer | undefined,
): void {
  for (let i = from; i < until; ) {
    const next = slab.runs.entries(puts, i, until, head);
    if (next > i) {
      i = next;
      continue;
    }
    const request = puts[i++]!;
    if (head !== undefined) slab.constant(head);
    slab.entryKey(request.key, request.keyUnits);
    if (head !== undefined) slab.integer(request.ttlMs);
    slab.entryValue(request.value!, request.hint);
  }
}

function encodeExpiringPuts(slab: CommandSlab, batch: Batch, hasMsetex: boolean): number[] | undefined {
  const puts = batch.expiringPuts;
  if (!hasMsetex || puts.length < 2) {
    encodeEntries(slab, puts, 0, puts.length, PSETEX);
    return undefined;
  }
  // No key stands twice, so the order among them is free: equal lifetimes together make few commands.
  puts.sort((a, b) => a.ttlMs - b.ttlMs);
  const runs: number[] = [];
  let from = 0;
  while (from < puts.length) {
    let until = from + 1;
    const most = Math.min(puts.length, from + batch.mostTogether);
    while (until < most && puts[until]!.ttlMs === puts[from]!.ttlMs) until++;
    slab.arrayHeader(2 + (until - from) * 2 + 2);
    slab.constant(MSETEX);
    slab.integer(until - from);
    encodeEntries(slab, puts, from, until, undefined);
    slab.constant(PX);
    slab.integer(puts[from]!.ttlMs);
    runs.push(until - from);
    from = until;
  }
  return runs;
}

/** One run, or where they may be too many one for each key: those of a key succeed or are tried again together. */
function runsOfIncrements(batch: Batch): readonly (readonly Request[])[] {
  const increments = batch.others.filter((request) => request.kind === Kind.increment);
  if (increments.length === 0) return NO_RUNS;
  if (batch.mostTogether >= increments.length) {
    const together: (readonly Request[])[] = shortLivedList();
    together.push(increments);
    return together;
  }
  const runs = new Map<string, Request[]>();
  for (const request of increments) {
    const run = runs.get(request.key);
    if (run === undefined) runs.set(request.key, [request]);
    else run.push(request);
  }
  return [...runs.values()];
}

function encodeIncrements(slab: CommandSlab, increments: readonly Request[]): void {
  const count = increments.length;
  slab.arrayHeader(3 + count * 2);
  slab.constant(EVAL_INCREMENT);
  slab.integer(count);
  for (const request of increments) slab.key(request.key, request.keyUnits);
  for (const request of increments) slab.text(String(request.detail));
}

function encodeSingle(slab: CommandSlab, request: Request): void {
  switch (request.kind) {
    case Kind.setIfNotExists:
      slab.arrayHeader(request.ttlMs > 0 ? 6 : 4);
      slab.constant(SET_WORD);
      slab.key(request.key, request.keyUnits);
      slab.value(request.value!, request.hint);
      slab.constant(NX);
      if (request.ttlMs > 0) {
        slab.constant(PX);
        slab.integer(request.ttlMs);
      }
      break;
    case Kind.getAndDelete:
      slab.constant(GETDEL);
      slab.key(request.key, request.keyUnits);
      break;
    case Kind.ttl:
      slab.constant(PTTL);
      slab.key(request.key, request.keyUnits);
      break;
    case Kind.expire:
      encodeExpire(slab, request.key, request.ttlMs);
      // PERSIST answers 0 also for a key that exists and never expires.
      if (request.ttlMs === 0) {
        slab.constant(EXISTS);
        slab.key(request.key, request.keyUnits);
      }
      break;
    case Kind.compareAndSwap:
      encodeSwap(slab, request, undefined);
      break;
    case Kind.transaction:
      encodeTransaction(slab, request.detail as readonly TransactionStep[]);
      break;
    default:
      throw new RangeError(`operation ${request.kind} has no command`);
  }
}

function encodeExpire(slab: CommandSlab, key: string, ttlMs: number): void {
  slab.constant(ttlMs > 0 ? PEXPIRE : PERSIST);
  slab.key(key, key.length);
  if (ttlMs > 0) slab.integer(ttlMs);
}

/** @param storedForm the exact bytes that must stand there, where they are known; else every form is tried */
export function encodeSwap(slab: CommandSlab, request: Request, storedForm: Buffer | undefined): void {
  const { expected, next } = request.detail as CompareAndSwapDetail;
  const forms = expected === null ? 0 : storedForm === undefined ? 2 : 1;
  slab.arrayHeader(4 + 1 + forms + (next === null ? 1 : 3));
  slab.constant(EVAL_SWAP);
  slab.key(request.key, request.keyUnits);
  slab.integer(forms);
  if (storedForm !== undefined) {
    slab.argument(storedForm);
  } else if (expected !== null) {
    slab.value(expected);
    slab.argument(typeof expected === "string" ? Buffer.from(expected, "utf8") : expected);
  }
  if (next === null) {
    slab.constant(SWAP_DELETE);
  } else {
    slab.constant(SWAP_SET);
    slab.value(next);
    slab.integer(request.ttlMs);
  }
}

function encodeTransaction(slab: CommandSlab, steps: readonly TransactionStep[]): void {
  slab.constant(MULTI);
  for (const step of steps) {
    if (step.type === "delete") {
      slab.constant(UNLINK);
      slab.key(step.key, step.key.length);
    } else if (step.type === "expire") {
      encodeExpire(slab, step.key, step.ttlMs);
    } else if (step.ttlMs > 0) {
      slab.constant(PSETEX);
      slab.key(step.key, step.key.length);
      slab.integer(step.ttlMs);
      slab.value(step.value);
    } else {
      slab.constant(SET);
      slab.key(step.key, step.key.length);
      slab.value(step.value);
    }
  }
  slab.constant(EXEC);
}
