import type { ValueCodec } from "../../../codec/value-codec.js";
import type { StateError } from "../../../core/errors.js";
import type { CanonicalKey } from "../../../core/key.js";
import { shortLivedList } from "../../../core/short-lived-list.js";
import type { Batch, BatchOwner, UndecodedRead } from "../../batch.js";
import type { DividedBatch } from "../../divided-batch.js";
import type { Request } from "../../request.js";
import type { Lane } from "../lane.js";

/** Reads that are with a replica. */
export class ReadsElsewhere implements BatchOwner {
  readonly part: Batch;
  /** The replica's connection. */
  readonly lane: Lane;
  readonly #whole: DividedBatch;
  readonly #codec: Pick<ValueCodec, "isIntact">;
  readonly #onEnded: (unanswered: readonly Request[]) => void;
  /** Made at the first question: while nothing goes to the primary nobody asks. */
  #indexes: Map<CanonicalKey, number> | undefined;
  /** Sent to the primary meanwhile, or about to be. */
  readonly #recalled = new Set<Request>();
  #toBeSent: Request[] = shortLivedList();
  /** Answered are so many from the first on, and those that came before their turn. */
  #inOrder = 0;
  readonly #early = new Set<Request>();
  readonly #failed: Request[] = shortLivedList();

  /** @param onEnded is given those that are to be asked of the primary */
  constructor(
    lane: Lane,
    whole: DividedBatch,
    reads: readonly Request[],
    codec: Pick<ValueCodec, "isIntact">,
    onEnded: (unanswered: readonly Request[]) => void,
  ) {
    this.lane = lane;
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

  /** Whether a read of this key is under way and its answer counts. */
  isReading(key: CanonicalKey): boolean {
    return this.#find(key) !== undefined;
  }

  /** Something about this key is about to be sent to the primary: a read of it counts as the primary answers it. */
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
    this.#toBeSent = shortLivedList();
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
