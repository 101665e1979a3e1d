import type { ValueCodec } from "../../../codec/value-codec.js";
import { type StateError, TimeoutError } from "../../../core/errors.js";
import type { CanonicalKey } from "../../../core/key.js";
import type { Batch, BatchOwner, UndecodedRead } from "../../batch.js";
import { LateAnswers } from "../../replicas/late-answers.js";
import { Kind, keysOf, type Request } from "../../request.js";
import { laneOf } from "../batch-spread.js";
import { DividedBatch } from "../divided-batch.js";
import { failAll, hostPortOf, type Lane } from "../lane.js";
import type { ChosenReplica, ReplicaSet } from "./replica-set.js";

/** Hears of a batch's end where nothing waits for it. */
const NOBODY = (): void => {};

export interface ReplicaReadsOptions {
  readonly replicas: Pick<ReplicaSet, "choose" | "writes" | "patienceMs">;
  /** Of the primary. */
  readonly lanes: () => readonly Lane[];
  readonly notConnected: () => StateError;
  readonly codec: Pick<ValueCodec, "isIntact">;
  readonly onBatchEnded: () => void;
}

/**
 * Sends reads to replicas, and everything else over the lane that it is for.
 *
 * A replica knows no order with the lanes. Reads of what this engine wrote and a replica may not have go over the lane. A
 * write of a key that is being read from a replica takes the read with it: it is sent over the lane in front of the write,
 * and what the replica answers does not count. So no write waits for a read, and a read never sees a later write. A
 * replica that has not answered in time is left, and the primary asked.
 */
export class ReplicaReads {
  readonly #options: ReplicaReadsOptions;
  /** Under way. */
  readonly #reads = new Set<ReadsElsewhere>();
  readonly #late: LateAnswers<Lane>;

  constructor(options: ReplicaReadsOptions) {
    this.#options = options;
    this.#late = new LateAnswers(options.replicas.patienceMs, leave);
  }

  /** Some are with replicas, and what those leave unanswered is for the primary. */
  get areUnderWay(): boolean {
    return this.#reads.size > 0;
  }

  send(lane: Lane, batch: Batch, isPart: boolean): void {
    this.#noteWrites(batch, lane);
    const replica = batch.reads.length === 0 ? undefined : this.#options.replicas.choose();
    if (replica === undefined || !this.#divide(replica, batch, lane, isPart)) lane.send(batch, isPart);
  }

  /** False: the replica may be asked for none of its keys, and nothing was sent. */
  #divide(replica: ChosenReplica, batch: Batch, lane: Lane, isPart: boolean): boolean {
    const there: Request[] = [];
    const here: Request[] = [];
    for (const request of batch.reads) (replica.mayLack(request.key) ? here : there).push(request);
    if (there.length === 0) return false;
    const whole = new DividedBatch(batch, NOBODY);
    const answered = this.#late.begin(replica.lane);
    const elsewhere = new ReadsElsewhere(whole, there, this.#options.codec, (unanswered) => {
      answered();
      this.#reads.delete(elsewhere);
      this.#askPrimary(unanswered, whole);
    });
    this.#reads.add(elsewhere);
    const rest = withoutReads(batch, here, whole);
    replica.lane.send(elsewhere.part, true);
    if (rest !== undefined) lane.send(rest, isPart);
    else if (!isPart) this.#options.onBatchEnded();
    batch.stampWritten();
    return true;
  }

  /** Whether this read is with a replica alone. */
  has(request: Request): boolean {
    for (const elsewhere of this.#reads) if (elsewhere.has(request)) return true;
    return false;
  }

  close(): void {
    this.#late.close();
  }

  /** No write of their keys has been sent since: it would have taken them with it. */
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
      if (lane === undefined) failAll(part, this.#options.notConnected());
      else lane.send(part, true);
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
    for (const elsewhere of reads) {
      const recalled = elsewhere.takeRecalled();
      if (recalled !== undefined) lane.send(recalled, true);
    }
  }
}

/** Reads that are with a replica. */
class ReadsElsewhere implements BatchOwner {
  readonly part: Batch;
  readonly #whole: DividedBatch;
  readonly #codec: Pick<ValueCodec, "isIntact">;
  readonly #onEnded: (unanswered: readonly Request[]) => void;
  /** Made at the first question: where nothing is written nobody asks. */
  #indexes: Map<CanonicalKey, number> | undefined;
  /** Sent to the primary meanwhile, or about to be. */
  readonly #recalled = new Set<Request>();
  #toBeSent: Request[] = [];
  /** Answered are so many from the first on, and those that came before their turn. */
  #inOrder = 0;
  readonly #early = new Set<Request>();
  readonly #failed: Request[] = [];

  constructor(
    whole: DividedBatch,
    reads: readonly Request[],
    codec: Pick<ValueCodec, "isIntact">,
    onEnded: (unanswered: readonly Request[]) => void,
  ) {
    this.#whole = whole;
    this.#codec = codec;
    this.#onEnded = onEnded;
    this.part = whole.newPart(this);
    for (const request of reads) this.part.reads.push(request);
    this.part.size = reads.length;
  }

  has(request: Request): boolean {
    return this.#find(request.key) === request;
  }

  /** A write of this key is about to be sent: a read of it counts as the primary answers it. */
  recall(key: CanonicalKey): void {
    const request = this.#find(key);
    if (request === undefined) return;
    this.#recalled.add(request);
    this.#toBeSent.push(request);
  }

  /** The read of this key, if the replica's answer to it counts and has not come. */
  #find(key: CanonicalKey): Request | undefined {
    const { reads } = this.part;
    this.#indexes ??= new Map(reads.map((request, index) => [request.key, index]));
    const index = this.#indexes.get(key);
    if (index === undefined || index < this.#inOrder) return undefined;
    const request = reads[index]!;
    return this.#recalled.has(request) || this.#early.has(request) ? undefined : request;
  }

  takeRecalled(): Batch | undefined {
    if (this.#toBeSent.length === 0) return undefined;
    const batch = this.#whole.newPart();
    batch.reads.push(...this.#toBeSent);
    batch.size = this.#toBeSent.length;
    this.#toBeSent = [];
    return batch;
  }

  nowUs(): number {
    return this.#whole.nowUs();
  }

  requestSucceeded(part: Batch, leader: Request, result: unknown): void {
    if (this.#recalled.size > 0 && this.#recalled.has(leader)) return;
    if (part.reads[this.#inOrder] === leader) this.#inOrder++;
    else this.#early.add(leader);
    this.#whole.requestSucceeded(part, leader, result);
  }

  requestFailed(_part: Batch, leader: Request, _error: StateError): void {
    this.#failed.push(leader);
  }

  defersDecoding(part: Batch, rawBytes: number): boolean {
    return this.#whole.defersDecoding(part, rawBytes);
  }

  batchCompleted(part: Batch): void {
    if (part.undecoded !== undefined) part.undecoded = part.undecoded.filter((read) => this.#counts(read));
    this.#onEnded(this.#failed.filter((leader) => !this.#recalled.has(leader)));
    this.#whole.batchCompleted(part);
  }

  /** What is damaged must be known here: once it is decompressed the replica is out of the matter. */
  #counts({ leader, stored, keyChecksum }: UndecodedRead): boolean {
    if (this.#recalled.has(leader)) return false;
    const isIntact = this.#codec.isIntact(stored, keyChecksum);
    if (!isIntact) this.#failed.push(leader);
    return isIntact;
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
