import type { LatencySummary } from "../lib/latency-recorder.js";
import { median } from "../lib/median.js";
import type { Comparison } from "../lib/report.js";
import { YARDSTICK } from "../peers/all-peers.js";
import type { RedisBenchmark, YardstickResult } from "../peers/redis-benchmark.js";
import type { LoopResult } from "./closed-loop.js";
import type { SubjectProcess } from "./subject-process.js";
import type { RoundOrder } from "./subject-protocol.js";
import { type Workload, yardstickCommands } from "./workload.js";

/** For the length of the yardstick's first round only; those after go by what it did in it. */
const YARDSTICK_GUESS_PER_SEC = 600_000;

/** Whoever is measured in a cell, round by round. */
export interface Contestant {
  readonly name: string;
  /** Throughput of each round so far. */
  readonly rounds: readonly number[];
  round(): Promise<void>;
}

export class ClientRounds implements Contestant {
  readonly #subject: SubjectProcess;
  readonly #workload: string;
  readonly #order: RoundOrder;
  readonly #results: LoopResult[] = [];
  #errors = 0;

  constructor(subject: SubjectProcess, workload: string, order: RoundOrder) {
    this.#subject = subject;
    this.#workload = workload;
    this.#order = order;
  }

  get name(): string {
    return this.#subject.name;
  }

  get rounds(): readonly number[] {
    return this.#results.map(({ opsPerSec }) => opsPerSec);
  }

  async begin(): Promise<void> {
    this.#errors += await this.#subject.ask("begin", { workload: this.#workload });
  }

  async round(): Promise<void> {
    const result = await this.#subject.ask("round", this.#order);
    this.#results.push(result);
    this.#errors += result.errors;
  }

  /** A round for its latencies only. */
  async timedRound(order: RoundOrder): Promise<void> {
    this.#errors += (await this.#subject.ask("round", order)).errors;
  }

  async end(): Promise<Comparison> {
    const latency: LatencySummary = await this.#subject.ask("end", {});
    return {
      workload: this.#workload,
      subject: this.name,
      opsPerSec: median(this.rounds),
      p50Us: latency.p50Us,
      p99Us: latency.p99Us,
      p999Us: latency.p999Us,
      cpuUsPerOp: median(this.#results.map((round) => round.cpuUsPerOp)),
      errors: this.#errors,
      meanUs: latency.meanUs,
      maxUs: latency.maxUs,
      rounds: this.rounds.map(Math.round),
    };
  }
}

/** For a mix of two commands its throughput is the mean of theirs: each has half of the operations. */
export class YardstickRounds implements Contestant {
  readonly name = YARDSTICK;
  readonly #yardstick: RedisBenchmark;
  readonly #workload: Workload;
  readonly #sampleValue: string;
  readonly #roundMs: number;
  readonly #results: YardstickResult[][] = [];

  constructor(yardstick: RedisBenchmark, workload: Workload, sampleValue: string, roundMs: number) {
    this.#yardstick = yardstick;
    this.#workload = workload;
    this.#sampleValue = sampleValue;
    this.#roundMs = roundMs;
  }

  get rounds(): readonly number[] {
    return this.#means((result) => result.opsPerSec);
  }

  async round(): Promise<void> {
    const before = this.#results.at(-1);
    const results: YardstickResult[] = [];
    for (const [index, command] of yardstickCommands(this.#workload, this.#sampleValue).entries()) {
      const rate = before?.[index]?.opsPerSec ?? YARDSTICK_GUESS_PER_SEC;
      results.push(await this.#yardstick.run(command, Math.ceil((rate * this.#roundMs) / 1000)));
    }
    this.#results.push(results);
  }

  comparison(): Comparison {
    return {
      workload: this.#workload.name,
      subject: YARDSTICK,
      opsPerSec: median(this.rounds),
      p50Us: median(this.#means((result) => result.p50Us)),
      p99Us: median(this.#means((result) => result.p99Us)),
      p999Us: null,
      cpuUsPerOp: null,
      errors: 0,
      meanUs: median(this.#means((result) => result.meanUs)),
      maxUs: median(this.#means((result) => result.maxUs)),
      rounds: this.rounds.map(Math.round),
    };
  }

  #means(read: (result: YardstickResult) => number): number[] {
    return this.#results.map((results) => results.reduce((sum, result) => sum + read(result), 0) / results.length);
  }
}
