import { setTimeout as delay } from "node:timers/promises";
import type { Capabilities, Driver, DriverContext } from "../../backends/contract.js";
import type { CanonicalKey } from "../../core/key.js";
import { BatchProbe } from "./batch-probe.js";
import { driverContext } from "./driver-context.js";

export interface DriverScope {
  /** Runs when the check has ended. */
  after(clean: () => Promise<void> | void): void;
}

export interface DriverUnderTest {
  /** Not open yet: the kit opens it, and closes it. */
  readonly driver: Driver;
  /** Moves the clock of the driver, and of its store. Absent: the kit waits for lifetimes to pass. */
  readonly advance?: (ms: number) => void;
}

export type OpenDriver = (scope: DriverScope) => Promise<DriverUnderTest> | DriverUnderTest;

const REAL_LIFETIME_MS = 400;
/** Stores round lifetimes, and their clock may not be ours. */
const REAL_MARGIN_MS = 150;

let subjects = 0;

/** One driver in one check: open, on keys of its own, with the calls that checks are written in. */
export class Subject {
  readonly driver: Driver;
  readonly keyPrefix: string;
  readonly hasOwnClock: boolean;
  /** A lifetime that is long for a check and can be waited for. */
  readonly lifetimeMs: number;
  readonly #advance: ((ms: number) => void) | undefined;

  private constructor(opened: DriverUnderTest, keyPrefix: string) {
    this.driver = opened.driver;
    this.keyPrefix = keyPrefix;
    this.#advance = opened.advance;
    this.hasOwnClock = opened.advance !== undefined;
    this.lifetimeMs = this.hasOwnClock ? 60_000 : REAL_LIFETIME_MS;
  }

  static async open(open: OpenDriver, scope: DriverScope, overrides: Partial<DriverContext> = {}): Promise<Subject> {
    const opened = await open(scope);
    const subject = new Subject(opened, `kit-${process.pid}-${++subjects}:`);
    await opened.driver.open(driverContext({ keyPrefix: subject.keyPrefix, ...overrides }));
    scope.after(() => opened.driver.close());
    return subject;
  }

  get capabilities(): Capabilities {
    return this.driver.capabilities;
  }

  /** Sends a batch of what `fill` asks for, and resolves when it is settled and complete. */
  async batch<Result>(fill: (probe: BatchProbe) => Promise<Result>): Promise<Result> {
    const probe = new BatchProbe(this.driver);
    const result = fill(probe);
    probe.send();
    const [settled] = await Promise.all([result, probe.completion]);
    return settled;
  }

  async read(key: CanonicalKey): Promise<string | null> {
    const value = await this.batch((probe) => probe.get(key));
    return value === null ? null : value.toString();
  }

  put(key: CanonicalKey, value: string | Uint8Array, ttlMs = 0): Promise<void> {
    return this.batch((probe) => probe.put(key, value, ttlMs));
  }

  /** Lets a lifetime come to its end. */
  async outlive(ttlMs: number): Promise<void> {
    if (this.#advance === undefined) await delay(ttlMs + REAL_MARGIN_MS);
    else this.#advance(ttlMs);
  }

  /** Lets part of a lifetime pass. */
  async pass(ms: number): Promise<void> {
    if (this.#advance === undefined) await delay(ms);
    else this.#advance(ms);
  }

  async keys(prefix = ""): Promise<CanonicalKey[]> {
    const keys: CanonicalKey[] = [];
    for await (const page of this.driver.scan(prefix, false)) keys.push(...page.keys);
    return (this.capabilities.scansOnce === true ? keys : [...new Set(keys)]).sort();
  }
}

/** Behaviour that every driver has, or every driver with an ability. */
export interface Check {
  /** A sentence. */
  readonly name: string;
  /** What a driver that cannot be asked this lacks, in words; undefined: it can be asked. */
  readonly lacks?: (subject: Subject) => string | undefined;
  readonly context?: Partial<DriverContext>;
  run(subject: Subject): Promise<void>;
}

export function lacksExpiry({ capabilities }: Subject): string | undefined {
  return capabilities.expiry ? undefined : "capabilities.expiry is false";
}

export function lacksTransactions({ capabilities }: Subject): string | undefined {
  return capabilities.transactions ? undefined : "capabilities.transactions is false";
}
