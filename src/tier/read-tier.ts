import type { Batch } from "../backends/batch.js";
import type { ChangeListener } from "../backends/contract.js";
import { Kind, type Request, type TransactionStep } from "../backends/request.js";
import type { EventLoop } from "../core/event-loop.js";
import type { CanonicalKey } from "../core/key.js";
import { keyHash } from "../core/key-hash.js";
import { ownKey } from "../core/own-key.js";
import { Fetches } from "./fetches.js";
import { copyOf, keptForm } from "./kept-value.js";
import { LASTING } from "./known-lifetimes.js";
import { Lifetimes } from "./lifetimes.js";
import { SeenKeys } from "./seen-keys.js";
import { costOf, Sieve, SieveEntry } from "./sieve.js";
import { TurnPace } from "./turn-pace.js";

/** An entry that ends within so long is held against the clock itself, not against the last look at it in this turn. */
const CLOCK_MARGIN_MS = 1000;
/** Of the room, what notes of lifetimes may take. */
const NOTES_SHARE = 16;
/** One four-byte hash for so much room: for small entries some more of them than entries. */
const BYTES_PER_SEEN_KEY = 256;

export interface ReadTierOptions {
  /** Keys, values and what keeping them costs. */
  readonly maxBytes: number;
  /** Milliseconds for which what a read has found is used, if no change is heard of. */
  readonly ttlMs: number;
  /** Keeps what it can no longer vouch for, for reads that fail. */
  readonly keepsStale: boolean;
}

/**
 * How changes made by others become known:
 *
 *   unheard  not at all: entries end by their time, and absence is not kept
 *   heard    over a link of the driver
 *   lost     the link is down: nothing is kept, nothing fresh is answered
 */
type Hearing = "unheard" | "heard" | "lost";

/** What the tier has done so far, and holds now. */
export interface ReadTierStatistics {
  readonly hits: number;
  readonly misses: number;
  /** Of all reads that asked the tier; 0 if none did. */
  readonly hitRate: number;
  readonly entries: number;
  readonly bytes: number;
  /** `cache.maxBytes`, of which a part is for notes of lifetimes. */
  readonly maxBytes: number;
  readonly fills: number;
  readonly evictions: number;
  /** Reads that shared one already with the store. */
  readonly shared: number;
  /** Changes by others that were heard of. */
  readonly invalidations: number;
  /** How often everything was dropped: the link was lost, or the store emptied. */
  readonly flushes: number;
  /** `changes`: changes by others are heard of; `time`: the store tells of none; `down`: the link is lost. */
  readonly invalidation: "changes" | "time" | "down";
}

/**
 * Answers of the store, kept in this process for the next read of the same key.
 *
 * Filled by reads only: a store reports changes of keys that were read. A write by this engine drops its key when it is
 * *called*, and overtakes reads of the key that are under way; so whatever is kept was read after every write called
 * before, and a get sees the puts called before it, as without a tier. A change by others is heard of over the driver's
 * link and does the same. When the link is lost everything goes, and nothing is kept until it is back.
 */
export class ReadTier implements ChangeListener {
  readonly #loop: EventLoop;
  readonly #maxBytes: number;
  readonly #ttlMs: number;
  readonly #keepsStale: boolean;
  readonly #entries: Sieve;
  readonly #fetches = new Fetches();
  readonly #lifetimes: Lifetimes;
  readonly #seen: SeenKeys;
  readonly #pace: TurnPace;
  #hearing: Hearing = "unheard";
  #epoch = 0;
  /** The last that was missed, which is called next: hashed once for both. */
  #missedKey: CanonicalKey = "";
  #missedHash = 0;
  #hits = 0;
  #misses = 0;
  #fills = 0;
  #shared = 0;
  #invalidations = 0;
  #flushes = 0;

  constructor(options: ReadTierOptions, loop: EventLoop) {
    const notesBytes = Math.floor(options.maxBytes / NOTES_SHARE);
    const seen = options.maxBytes / BYTES_PER_SEEN_KEY;
    this.#loop = loop;
    this.#maxBytes = options.maxBytes;
    this.#ttlMs = options.ttlMs;
    this.#keepsStale = options.keepsStale;
    this.#seen = new SeenKeys(seen);
    this.#entries = new Sieve(options.maxBytes - notesBytes);
    this.#lifetimes = new Lifetimes(notesBytes, loop);
    this.#pace = new TurnPace(loop);
  }

  /** The store will tell of changes, once there is a link. Nothing is kept before. */
  expectLink(): void {
    this.#hearing = "lost";
  }

  /** The caller's own copy of what the store holds; null: no such key; undefined: ask the store. */
  get(key: CanonicalKey): Buffer | null | undefined {
    const entry = this.#fresh(key);
    return entry === undefined ? undefined : copyOf(entry.value);
  }

  contains(key: CanonicalKey): boolean | undefined {
    const entry = this.#fresh(key);
    return entry === undefined ? undefined : entry.value !== null;
  }

  /** Whether an answer of the tier, asked for just now, is to reach its caller in the next turn only. */
  get isTurnUsedUp(): boolean {
    return this.#pace.isUsedUp;
  }

  inNextTurn(run: () => void): void {
    this.#pace.inNextTurn(run);
  }

  /** The time, as it was up to 16 answers ago in this turn. */
  get lookedAtMs(): number {
    return this.#pace.lookedAtMs;
  }

  /** What the store held when it was asked last, up to so many milliseconds ago, vouched for or not. */
  stale(key: CanonicalKey, maxAgeMs: number): Buffer | null | undefined {
    const entry = this.#entries.find(key, keyHash(key));
    const nowMs = this.#loop.nowMs();
    if (entry === undefined || nowMs - entry.readAtMs > maxAgeMs) return undefined;
    if (entry.expiresAtMs !== undefined && nowMs >= entry.expiresAtMs) return undefined;
    entry.visited = true;
    return copyOf(entry.value);
  }

  called(request: Request): Request | undefined {
    switch (request.kind) {
      case Kind.get:
      case Kind.contains: {
        const hash = request.key === this.#missedKey ? this.#missedHash : keyHash(request.key);
        const fetch = this.#fetches.withStore(request.key, hash);
        if (fetch !== undefined) this.#shared++;
        else if (request.kind === Kind.get && this.#isWorthKeeping(hash)) this.#fetches.begin(request, hash);
        return fetch;
      }
      case Kind.ttl:
        break;
      case Kind.transaction:
        for (const { key } of request.detail as readonly TransactionStep[]) this.#drop(key);
        this.#lifetimes.called(request);
        break;
      case Kind.increment:
        this.#drop(request.key);
        break;
      default:
        this.#drop(request.key);
        this.#lifetimes.called(request);
    }
    return undefined;
  }

  handedOver(batch: Batch): void {
    for (const read of batch.reads) this.#fetches.handedOver(read);
  }

  answered(request: Request, result: unknown): void {
    switch (request.kind) {
      case Kind.get:
        if (this.#fetches.end(request)) this.#fill(request, result as Buffer | null);
        break;
      case Kind.contains:
        if (result === false) this.#dropValue(request.key);
        break;
      case Kind.ttl:
        this.#takeLifetime(request, result as number | null);
        break;
      case Kind.increment:
        break;
      case Kind.delete:
        this.#lifetimes.done(request);
        break;
      default:
        if (result === false) this.#lifetimes.withoutEffect(request);
        else this.#lifetimes.done(request);
    }
  }

  unanswered(request: Request): void {
    if (request.kind === Kind.get) this.#fetches.end(request);
    else this.#lifetimes.leftOpen(request);
  }

  /** Everything in the store may change: work on many keys was called. Lifetimes that no longer hold do no harm. */
  dropAll(): void {
    this.#entries.clear();
    this.#fetches.overtakeAll();
  }

  /** A load has put entries of any keys that live so long from within the last `tookMs` on. */
  loaded(ttlMs: number, tookMs: number): void {
    this.#lifetimes.loaded(ttlMs, tookMs);
  }

  linkUp(): void {
    // Of what was read while nobody told of changes, none will be told.
    if (this.#hearing === "unheard") this.#epoch++;
    this.#hearing = "heard";
  }

  linkLost(): void {
    this.#hearing = "lost";
    this.#flushes++;
    this.#epoch++;
    this.#fetches.overtakeAll();
    if (!this.#keepsStale) this.#entries.clear();
  }

  linkRefused(): void {
    this.#hearing = "unheard";
  }

  changed(key: CanonicalKey): void {
    this.#invalidations++;
    this.#drop(key);
    this.#lifetimes.changed(key);
  }

  everythingChanged(): void {
    this.#flushes++;
    this.dropAll();
  }

  statistics(): ReadTierStatistics {
    const asked = this.#hits + this.#misses;
    return {
      hits: this.#hits,
      misses: this.#misses,
      hitRate: asked === 0 ? 0 : this.#hits / asked,
      entries: this.#entries.size,
      bytes: this.#entries.bytes,
      maxBytes: this.#maxBytes,
      fills: this.#fills,
      evictions: this.#entries.evictions,
      shared: this.#shared,
      invalidations: this.#invalidations,
      flushes: this.#flushes,
      invalidation: this.#hearing === "heard" ? "changes" : this.#hearing === "lost" ? "down" : "time",
    };
  }

  #fresh(key: CanonicalKey): SieveEntry | undefined {
    const hash = keyHash(key);
    const entry = this.#entries.find(key, hash);
    if (entry === undefined) return this.#missed(key, hash);
    const isSafelyFresh = this.#pace.roughlyNowMs() < entry.freshUntilMs - CLOCK_MARGIN_MS;
    if (entry.epoch !== this.#epoch || (!isSafelyFresh && this.#loop.nowMs() >= entry.freshUntilMs)) {
      this.#outlived(entry);
      return this.#missed(key, hash);
    }
    this.#hits++;
    entry.visited = true;
    return entry;
  }

  /** One that was worth keeping has had its time: what is read in its place is worth it too. */
  #outlived(entry: SieveEntry): void {
    this.#seen.see(entry.hash);
    if (!this.#keepsStale) this.#entries.delete(entry.key, entry.hash);
  }

  #missed(key: CanonicalKey, hash: number): undefined {
    this.#misses++;
    this.#missedKey = key;
    this.#missedHash = hash;
    return undefined;
  }

  /**
   * Where there is no room left a key is only taken in when it is read again: of keys that are read once each would push
   * out one that is read often, and be made, kept and collected for nothing. Known before the store is asked, so that it
   * need not remember who has to hear of the next change.
   */
  #isWorthKeeping(hash: number): boolean {
    return this.#hearing !== "lost" && (!this.#entries.isFull || this.#seen.see(hash));
  }

  #fill(request: Request, result: Buffer | null): void {
    const { key } = request;
    const hash = keyHash(key);
    // An absence that nobody would hear the end of is not worth its risk.
    if (result === null && this.#hearing !== "heard") {
      this.#entries.delete(key, hash);
      return;
    }
    // It was read at some time since the call, so its age counts from there.
    const readAtMs = this.#lifetimes.calledAtMs(request);
    const bytes = costOf(key, result === null ? 0 : result.length);
    const keepUntilMs = this.#lifetimes.keepUntilMs(key, result === null, readAtMs);
    if (
      keepUntilMs <= this.#loop.nowMs() ||
      this.#entries.isTooLarge(bytes) ||
      // There was room when it was called, for one of the usual size and none else.
      (this.#entries.isFullFor(bytes) && !this.#seen.see(hash))
    ) {
      this.#entries.delete(key, hash);
      return;
    }
    const freshUntilMs = readAtMs + this.#ttlMs;
    const entry = new SieveEntry(ownKey(key), hash, keptForm(result), this.#epoch, readAtMs, freshUntilMs);
    if (keepUntilMs !== LASTING) entry.endAt(keepUntilMs);
    this.#fills++;
    this.#entries.add(entry);
  }

  #drop(key: CanonicalKey): void {
    const hash = keyHash(key);
    this.#entries.delete(key, hash);
    this.#fetches.overtake(key, hash);
  }

  /** The store says that there is no such key now. */
  #dropValue(key: CanonicalKey): void {
    const hash = keyHash(key);
    const entry = this.#entries.find(key, hash);
    if (entry !== undefined && entry.value !== null) this.#entries.delete(key, hash);
  }

  #takeLifetime(request: Request, leftMs: number | null): void {
    const { key } = request;
    if (leftMs === null) {
      this.#dropValue(key);
    } else if (leftMs !== Number.POSITIVE_INFINITY) {
      const endsAtMs = this.#lifetimes.told(request, leftMs);
      this.#entries.find(key, keyHash(key))?.endAt(endsAtMs);
    }
  }
}
