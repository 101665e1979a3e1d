import type { ValueCodec } from "../../../codec/value-codec.js";
import { type StateError, TimeoutError } from "../../../core/errors.js";
import type { CanonicalKey } from "../../../core/key.js";
import { shortLivedList } from "../../../core/short-lived-list.js";
import type { Batch } from "../../batch.js";
import { DividedBatch } from "../../divided-batch.js";
import { LateAnswers } from "../../replicas/late-answers.js";
import { Kind, keysOf, type Request } from "../../request.js";
import { laneOf } from "../batch-spread.js";
import { failAll, hostPortOf, type Lane } from "../lane.js";
import { keysReadBy, ReadsAtPrimary } from "./reads-at-primary.js";
import { ReadsElsewhere } from "./reads-elsewhere.js";
import type { ChosenReplica, ReplicaSet } from "./replica-set.js";

/** Hears of a batch's end where nothing waits for it. */
const NOBODY = (): void => {};

export interface ReplicaReadsOptions {
  readonly replicas: Pick<ReplicaSet, "choose" | "over" | "writes" | "patienceMs">;
  /** Of the primary. */
  readonly lanes: () => readonly Lane[];
  readonly notConnected: () => StateError;
  readonly codec: Pick<ValueCodec, "isIntact">;
  readonly onBatchEnded: () => void;
}

/**
 * Sends reads to replicas, and everything else over the lane that it is for.
 *
 * A replica knows no order with the lanes, nor with another replica. Reads of what this engine wrote and a replica may not
 * have go over the lane. A read of a key that is being read goes the same way as the one before it, to the same replica or
 * over the lane. Whatever goes over the lane takes a read of its key that is with a replica with it: that is sent in front
 * of it, and what the replica answers does not count. So no write waits for a read, a read never sees a later write, and
 * the second of two reads never what was there before the first. A replica that has not answered in time is left, and the
 * primary asked.
 */
export class ReplicaReads {
  readonly #options: ReplicaReadsOptions;
  /** Under way, in the order in which they were sent; at most a few: an array for the reason that `KeyedTable` gives. */
  readonly #reads: ReadsElsewhere[] = [];
  readonly #atPrimary = new ReadsAtPrimary();
  /** The replica that was asked last. */
  #current: Lane | undefined;
  readonly #late: LateAnswers<Lane>;

  constructor(options: ReplicaReadsOptions) {
    this.#options = options;
    this.#late = new LateAnswers(options.replicas.patienceMs, leave);
  }

  /** Some are with replicas, and what those leave unanswered is for the primary. */
  get areUnderWay(): boolean {
    return this.#reads.length > 0;
  }

  send(lane: Lane, batch: Batch, isPart: boolean): void {
    this.#noteWrites(batch, lane);
    const replica = batch.reads.length === 0 ? undefined : this.#choose();
    if (replica === undefined || !this.#divide(replica, batch, lane, isPart)) this.#takeAlong(lane, batch, isPart);
  }

  /** Whether this read is with a replica alone. */
  has(request: Request): boolean {
    for (const elsewhere of this.#reads) if (elsewhere.has(request)) return true;
    return false;
  }

  close(): void {
    this.#late.close();
  }

  /** The same one while it has something to answer: reads of the same keys follow each other there without a question. */
  #choose(): ChosenReplica | undefined {
    const { replicas } = this.#options;
    const current = this.#reads.length > 0 ? this.#current : undefined;
    return (current === undefined ? undefined : replicas.over(current)) ?? replicas.choose();
  }

  /** False: no replica may be asked for any of its keys, and nothing was sent. */
  #divide(chosen: ChosenReplica, batch: Batch, lane: Lane, isPart: boolean): boolean {
    const here: Request[] = shortLivedList();
    const there = new Map<Lane, Request[]>();
    const probed = new Set(batch.probes.map(({ key }) => key));
    this.#atPrimary.forgetAnswered();
    for (const request of batch.reads) {
      const replica = probed.has(request.key) ? undefined : this.#replicaFor(request.key, chosen);
      let reads = replica === undefined ? here : there.get(replica);
      if (reads === undefined) {
        reads = shortLivedList();
        there.set(replica!, reads);
      }
      reads.push(request);
    }
    if (there.size === 0) return false;
    const whole = new DividedBatch(batch, NOBODY);
    const elsewhere = [...there].map(([replica, reads]) => this.#begin(replica, reads, whole));
    const rest = withoutReads(batch, here, whole);
    for (const { lane: replica, part } of elsewhere) replica.send(part, true);
    if (rest !== undefined) this.#takeAlong(lane, rest, isPart);
    else if (!isPart) this.#options.onBatchEnded();
    batch.stampWritten();
    return true;
  }

  /** The connection of the replica that may be asked for this key; undefined: the primary has to be. */
  #replicaFor(key: CanonicalKey, chosen: ChosenReplica): Lane | undefined {
    if (this.#atPrimary.has(key)) return undefined;
    let replica: ChosenReplica | undefined = chosen;
    for (const elsewhere of this.#reads) {
      if (elsewhere.lane === chosen.lane || !elsewhere.isReading(key)) continue;
      replica = this.#options.replicas.over(elsewhere.lane);
      break;
    }
    return replica === undefined || replica.mayLack(key) ? undefined : replica.lane;
  }

  #begin(replica: Lane, reads: readonly Request[], whole: DividedBatch): ReadsElsewhere {
    this.#current = replica;
    const answered = this.#late.begin(replica);
    const elsewhere = new ReadsElsewhere(replica, whole, reads, this.#options.codec, (unanswered) => {
      answered();
      const index = this.#reads.indexOf(elsewhere);
      if (index >= 0) this.#reads.splice(index, 1);
      this.#askPrimary(unanswered, whole);
    });
    this.#reads.push(elsewhere);
    return elsewhere;
  }

  /** Nothing about their keys has been sent over a lane since: it would have taken them with it. */
  #askPrimary(unanswered: readonly Request[], whole: DividedBatch): void {
    const lanes = this.#options.lanes();
    const parts = new Map<Lane | undefined, Batch>();
    for (const request of unanswered) {
      const lane = lanes[laneOf(request.key, lanes.length)];
      const part = parts.get(lane) ?? whole.newPart();
      parts.set(lane, part);
      part.reads.push(request);
    }
    for (const [lane, part] of parts) {
      part.size = part.reads.length;
      if (lane === undefined) {
        failAll(part, this.#options.notConnected());
        continue;
      }
      const keys = this.#sendOver(lane, part, true);
      // Reads of the same keys behind them at the same replica, which has answered in part only.
      this.#recall(keys, lane);
    }
  }

  #noteWrites(batch: Batch, lane: Lane): void {
    const { writes } = this.#options.replicas;
    const reads = this.#reads;
    const note = (key: CanonicalKey): void => {
      writes.add(key);
      for (const elsewhere of reads) elsewhere.recall(key);
    };
    for (const group of [batch.deletes, batch.puts, batch.expiringPuts]) for (const { key } of group) note(key);
    for (const request of batch.others) if (request.kind !== Kind.ttl) for (const key of keysOf(request)) note(key);
    this.#sendRecalled(lane);
  }

  #takeAlong(lane: Lane, batch: Batch, isPart: boolean): void {
    if (this.#reads.length > 0) this.#recall(keysReadBy(batch), lane);
    this.#sendOver(lane, batch, isPart);
  }

  #recall(keys: Iterable<CanonicalKey>, lane: Lane): void {
    for (const key of keys) for (const elsewhere of this.#reads) elsewhere.recall(key);
    this.#sendRecalled(lane);
  }

  #sendRecalled(lane: Lane): void {
    // A copy: what fails at once may end some, and begin others.
    for (const elsewhere of this.#reads.slice()) {
      const recalled = elsewhere.takeRecalled();
      if (recalled !== undefined) this.#sendOver(lane, recalled, true);
    }
  }

  /** @returns the keys of which it reads something */
  #sendOver(lane: Lane, batch: Batch, isPart: boolean): ReadonlySet<CanonicalKey> {
    const keys = keysReadBy(batch);
    lane.send(batch, isPart);
    this.#atPrimary.add(keys, lane);
    return keys;
  }
}

function leave(lane: Lane, patienceMs: number): void {
  const message = `${hostPortOf(lane.address)}: what was to be read has not come within ${patienceMs} ms`;
  lane.destroy(new TimeoutError(message, { backend: "redis", retryable: true, reason: "ERR_SILENT_PEER" }));
}

/** What is left of a batch with these of its reads, as a part; undefined: nothing. */
function withoutReads(batch: Batch, reads: readonly Request[], whole: DividedBatch): Batch | undefined {
  const groups = ["probes", "deletes", "puts", "expiringPuts", "others"] as const;
  if (reads.length === 0 && groups.every((group) => batch[group].length === 0)) return undefined;
  const part = whole.newPart();
  for (const request of reads) part.reads.push(request);
  for (const group of groups) for (const request of batch[group]) part[group].push(request);
  part.size = batch.size - (batch.reads.length - reads.length);
  return part;
}
