import type { CanonicalKey } from "../../core/key.js";
import { keyHash } from "../../core/key-hash.js";
import { KeyedTable } from "../../core/keyed-table.js";
import { Kind, type Request } from "../request.js";
import type { BatchJob } from "./batch-job.js";
import { KeyFilter } from "./key-filter.js";
import type { Lane } from "./lane.js";
import { LaneChoice, Placed } from "./lane-choice.js";

/** The latest batch on its way that writes a key; those before it are on the same lane. A class, as `Placed` is. */
class Writer {
  readonly key: CanonicalKey;
  placed: Placed;

  constructor(key: CanonicalKey, placed: Placed) {
    this.key = key;
    this.placed = placed;
  }
}

/**
 * Which connection a batch takes. Batches that have a key in common go over the same connection, one behind the other;
 * where that is impossible the later one waits, and all after it. So the order of each key is that of the calls, and
 * everything else runs side by side. That is for batches that only read it as well: of two reads side by side the first
 * may wait, for a lock of the batch in front of it, until after another program's write that the second did not see.
 *
 * Batches of many keys nearly always have one in common with some other. So a connection is chosen for the next before
 * it is made, and it is made of what can go there.
 */
export class Placement {
  readonly #lanes: readonly Lane[];
  readonly #isBarred: () => boolean;
  /** Those on a lane, in the order in which they came; an array for the reason that `KeyedTable` gives. */
  readonly #placed: Placed[] = [];
  readonly #writers = new KeyedTable<Writer>();
  #held: BatchJob[] = [];
  readonly #readElsewhere = new KeyFilter();
  /** Holds as long as nothing has begun since. */
  #choice: LaneChoice | undefined;
  /** Of the batch that is being taken: where it can go for sure. */
  #chosen: Lane | undefined;

  /**
   * @param isBarred whether everything has to wait: the connection that a batch is to go behind may be lost, with the
   *   server still at work on what was sent over it
   */
  constructor(lanes: readonly Lane[], isBarred: () => boolean) {
    this.#lanes = lanes;
    this.#isBarred = isBarred;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /** Batches on their way, the ones that wait included. */
  forEachJob(visit: (job: BatchJob) => void): void {
    for (const job of [...this.#placed.map((placed) => placed.job), ...this.#held]) visit(job);
  }

  isBeingWritten(key: CanonicalKey): boolean {
    return this.#writers.find(key, keyHash(key)) !== undefined;
  }

  /** Whether one that came before this job is asking the primary for something of this key. */
  isBeingRead(key: CanonicalKey, job: object): boolean {
    const hash = keyHash(key);
    for (const { job: other } of this.#placed) {
      if (other === job) return false;
      if (other.readsAtPrimary(key, hash)) return true;
    }
    return false;
  }

  laneOf(job: BatchJob): Lane | undefined {
    return this.#placed.find((placed) => placed.job === job)?.lane;
  }

  /** As `Driver.nextBatch`. */
  nextBatch(first: Request): LaneChoice | undefined {
    this.#choice = undefined;
    if (this.#placed.length === 0) return undefined;
    const lane = this.#laneWithRoomFor(first) ?? this.#leastLoaded();
    if (lane === undefined) return undefined;
    const elsewhere = this.#placed.filter((placed) => placed.lane !== lane);
    const writerOf = this.#writers.size === 0 ? undefined : this.#writerOf;
    this.#choice = new LaneChoice(lane, elsewhere, this.#readElsewhere, writerOf);
    return this.#choice;
  }

  take(job: BatchJob): void {
    const { choice } = job.batch;
    // It knows batches, and each of them its own.
    job.batch.choice = undefined;
    if (choice !== undefined && choice === this.#choice && this.#held.length === 0 && !this.#readsElsewhere) {
      this.#chosen = this.#choice.lane;
    }
    this.#held.push(job);
    this.advance();
    this.#chosen = undefined;
  }

  /** Puts these before everything that waits: they came first. */
  takeBack(jobs: readonly BatchJob[]): void {
    for (const job of jobs) this.#forget(job);
    this.#held = [...jobs, ...this.#held];
  }

  ended(job: BatchJob): void {
    this.laneOf(job)?.ended(job);
    this.#forget(job);
  }

  /** What it asked of its lane is answered: only reads elsewhere are under way, and nobody but their writers waits. */
  leftLane(job: BatchJob): void {
    this.laneOf(job)?.ended(job);
    this.#forgetWriter(job);
  }

  advance(): void {
    while (this.#held.length > 0 && !this.#isBarred()) {
      const job = this.#held[0]!;
      const lane = this.#choose(job);
      if (lane === undefined) return;
      this.#held.shift();
      this.#choice = undefined;
      const placed = new Placed(job, lane);
      this.#placed.push(placed);
      if (job.hasWrites) job.forEachWrittenKey((key) => this.#noteWriter(key, placed));
      lane.take(job);
    }
  }

  /** Gives back everything that waits for a connection. */
  drain(): BatchJob[] {
    const jobs = this.#held;
    this.#held = [];
    return jobs;
  }

  /** undefined: it has to wait. */
  #choose(job: BatchJob): Lane | undefined {
    const needed = this.#placed.length === 0 ? undefined : (this.#chosen ?? this.#laneBefore(job));
    if (needed === "several") return undefined;
    if (needed !== undefined) return needed.isOpen ? needed : undefined;
    return this.#leastLoaded();
  }

  #leastLoaded(): Lane | undefined {
    let best: Lane | undefined;
    let isLate = false;
    for (const lane of this.#lanes) {
      if (!lane.isOpen) continue;
      const isLater = lane.isLate;
      if (best !== undefined && (isLater === isLate ? lane.load >= best.load : isLater)) continue;
      best = lane;
      isLate = isLater;
    }
    return best;
  }

  /** Where this request has to go, if it has to go somewhere: the longer it stays, the more waits behind it. */
  #laneWithRoomFor({ kind, key }: Request): Lane | undefined {
    if (kind === Kind.transaction) return undefined;
    const hash = keyHash(key);
    const lane = this.#writerOf(key, hash) ?? this.#placed.find(({ job }) => job.readsAtPrimary(key, hash))?.lane;
    return lane?.hasRoom === true && !lane.isLate ? lane : undefined;
  }

  readonly #writerOf = (key: CanonicalKey, hash: number): Lane | undefined =>
    this.#writers.find(key, hash)?.placed.lane;

  /** The lane with the batches that this one must not overtake. */
  #laneBefore(job: BatchJob): Lane | "several" | undefined {
    let found: Lane | "several" | undefined;
    const meet = ({ lane }: Placed): void => {
      if (found === undefined) found = lane;
      else if (found !== lane) found = "several";
    };
    if (this.#writers.size > 0) {
      const meetWriter = (key: CanonicalKey): void => {
        const writer = this.#writers.find(key, keyHash(key));
        if (writer !== undefined) meet(writer.placed);
      };
      job.forEachReadKey(meetWriter);
      job.forEachWrittenKey(meetWriter);
    }
    if (job.hasReads) {
      for (const placed of this.#placed) {
        if (found === "several") break;
        if (placed.lane !== found && job.readsWith(placed.job)) meet(placed);
      }
    }
    if (!job.hasWrites) return found;
    for (const placed of this.#placed) {
      const other = placed.job;
      if (!other.hasReads) continue;
      let meets = false;
      job.forEachWrittenKey((key) => {
        meets ||= other.reads(key);
      });
      if (!meets) continue;
      if (other.readsElsewhere) found = "several";
      else meet(placed);
    }
    return found;
  }

  get #readsElsewhere(): boolean {
    for (const { job } of this.#placed) if (job.readsElsewhere) return true;
    return false;
  }

  #noteWriter(key: CanonicalKey, placed: Placed): void {
    const hash = keyHash(key);
    const earlier = this.#writers.find(key, hash);
    if (earlier === undefined) this.#writers.add(new Writer(key, placed), hash);
    else earlier.placed = placed;
  }

  #forget(job: BatchJob): void {
    const index = this.#placed.findIndex((placed) => placed.job === job);
    if (index < 0) return;
    this.#placed.splice(index, 1);
    this.#forgetWriter(job);
  }

  #forgetWriter(job: BatchJob): void {
    if (this.#writers.size === 0) return;
    job.forEachWrittenKey((key) => {
      const hash = keyHash(key);
      if (this.#writers.find(key, hash)?.placed.job === job) this.#writers.delete(key, hash);
    });
  }
}
