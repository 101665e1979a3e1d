import { below, type Random, seededRandom } from "../../bench/lib/rng.js";
import type { Batch, BatchChoice } from "../../src/backends/batch.js";
import type { Capabilities, Driver, DriverContext, Health, ScanPage } from "../../src/backends/contract.js";
import { type CompareAndSwapDetail, Kind, OPERATION_NAMES, type Request } from "../../src/backends/request.js";
import { ConnectionError, type StateError, TimeoutError } from "../../src/core/errors.js";
import { SimulatedConnection } from "./simulated-connection.js";
import type { Command, SimulatedServer } from "./simulated-server.js";
import { type Answer, isReading } from "./simulated-store.js";

export interface SimulatedDriverOptions {
  readonly seed: number;
  /** Keys in one command at most. */
  readonly keysPerCommand: number;
  readonly eagerBatchSize: number | undefined;
  readonly smallBatches: number | undefined;
  readonly writingBatches: number | undefined;
  readonly batchSize: number | undefined;
  /** While something is under way the next batch is to have no keys of one of so many groups. */
  readonly keyGroups: number | undefined;
  readonly silenceMs: number;
  readonly connectTimeoutMs: number;
  readonly reconnectMs: number;
}

const CAPABILITIES = {
  maxInFlight: 1024,
  maxKeyBytes: 4096,
  expiry: true,
  transactions: true,
  metadata: false,
  replicatedDurability: false,
};

/** A timer of Node.js can be so late by itself; nothing is held back for that. */
const LATE_MS = 2;

/**
 * A driver as the one of Redis is: one connection, commands in the order of the batch's groups, replies first in first
 * out, what is in flight lost with the connection, nothing ever sent twice, and the previous connection ended by the
 * server before anything is sent over the next.
 */
export class SimulatedDriver implements Driver {
  readonly name = "simulated";
  readonly capabilities: Capabilities;
  onWritable: () => void = () => {};
  onReconnected: () => void = () => {};
  /** Calls that were handed over although their deadlines had passed. */
  readonly expired: string[] = [];
  readonly #server: SimulatedServer;
  readonly #options: SimulatedDriverOptions;
  readonly #random: Random;
  #connection: SimulatedConnection | undefined;
  #previous: SimulatedConnection | undefined;
  #lastProgressMs = 0;
  #isWatched = false;

  constructor(server: SimulatedServer, options: SimulatedDriverOptions) {
    this.#server = server;
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const { eagerBatchSize, smallBatches, writingBatches, batchSize } = options;
    this.capabilities = {
      ...CAPABILITIES,
      ...(eagerBatchSize === undefined ? {} : { eagerBatchSize }),
      ...(smallBatches === undefined ? {} : { smallBatches }),
      ...(writingBatches === undefined ? {} : { writingBatches }),
      ...(batchSize === undefined ? {} : { batchSize }),
    };
    this.#establish();
  }

  isWritable(): boolean {
    return this.#connection !== undefined && !this.#server.troubles.isClogged;
  }

  nextBatch(): BatchChoice | undefined {
    const { keyGroups } = this.#options;
    if (keyGroups === undefined || this.#connection === undefined || this.#connection.due.length === 0)
      return undefined;
    const unwanted = below(this.#random, keyGroups);
    return { suits: (_key, hash) => (hash >>> 1) % keyGroups !== unwanted };
  }

  /** Bytes leave the process again. */
  unclogged(): void {
    this.#connection?.flush();
    this.onWritable();
  }

  execute(batch: Batch): void {
    const nowUs = (this.#server.loop.nowMs() * 1000) | 0;
    batch.forEachLeader(({ kind, key, settled, startedAtUs, timeoutMs }) => {
      const lateMs = ((nowUs - startedAtUs) | 0) / 1000 - timeoutMs;
      if (!settled && lateMs > LATE_MS)
        this.expired.push(`${OPERATION_NAMES[kind]} "${key}" left ${lateMs} ms too late`);
    });
    const connection = this.#connection;
    if (connection === undefined) {
      batch.forEachLeader((leader) => batch.fail(leader, this.#notConnected(leader)));
      batch.complete();
      return;
    }
    if (connection.due.length === 0) this.#lastProgressMs = this.#server.loop.nowMs();
    const sending = new Sending(batch);
    for (const requests of this.#commandsOf(batch)) sending.add(this.#command(sending, requests));
    for (const command of [...sending.commands]) connection.send(command);
    this.#watch();
  }

  abandon(): void {
    if ((this.#connection?.unsent.length ?? 0) > 0) this.#connection!.lost("abandoned");
  }

  async open(_context: DriverContext): Promise<void> {}

  async *scan(): AsyncGenerator<ScanPage> {}

  async clear(): Promise<number> {
    return 0;
  }

  async health(): Promise<Health> {
    return { healthy: true, backend: this.name, latencyMs: 0, detail: "simulated" };
  }

  async memoryUsage(): Promise<number> {
    return 0;
  }

  async serverInfo(): Promise<Record<string, string>> {
    return {};
  }

  connections(): { active: number; idle: number } {
    return { active: this.#connection === undefined ? 0 : 1, idle: 0 };
  }

  async close(): Promise<void> {}

  #commandsOf(batch: Batch): Request[][] {
    const keysPerCommand = Math.min(this.#options.keysPerCommand, batch.mostTogether);
    const commands: Request[][] = [];
    const shared = (group: readonly Request[]): void => {
      for (let from = 0; from < group.length; from += keysPerCommand)
        commands.push(group.slice(from, from + keysPerCommand));
    };
    const alone = (group: readonly Request[]): void => {
      for (const request of group) commands.push([request]);
    };
    alone(batch.probes);
    shared(batch.reads);
    alone(batch.deletes);
    shared(batch.puts);
    alone(batch.expiringPuts);
    alone(batch.others.filter((request) => request.kind !== Kind.increment));
    const increments = batch.others.filter((request) => request.kind === Kind.increment);
    const runs = new Map<string, Request[]>();
    for (const request of increments) {
      // Those of a key are not torn apart: tried again they would change places.
      const place = batch.mostTogether < increments.length ? request.key : "";
      runs.set(place, [...(runs.get(place) ?? []), request]);
    }
    commands.push(...runs.values());
    return commands;
  }

  #command(sending: Sending, requests: readonly Request[]): Command {
    const [first] = requests;
    // Values that are stored compressed have many stored forms: the first trip may only bring the bytes to compare.
    const looksOnly = first!.kind === Kind.compareAndSwap && below(this.#random, 2) === 0;
    const lose = (): void => this.#lose(sending, command, requests);
    const settle = (answers: readonly Answer[]): void => {
      if (looksOnly && "result" in answers[0]!) {
        this.#swap(sending, command, first!, answers[0].result as string | null);
        return;
      }
      for (const [index, request] of requests.entries()) sending.answer(request, answers[index]!);
      sending.done(command);
    };
    const command: Command = { requests, looksOnly, settle, lose };
    return command;
  }

  #swap(sending: Sending, looked: Command, request: Request, seen: string | null): void {
    const { expected } = request.detail as CompareAndSwapDetail;
    if (seen !== expected) {
      sending.answer(request, { result: false });
      sending.done(looked);
      return;
    }
    const connection = this.#connection;
    if (connection === undefined) {
      sending.answer(request, { error: this.#notConnected(request) });
      sending.done(looked);
      return;
    }
    const command: Command = {
      requests: [request],
      looksOnly: false,
      settle: ([answer]) => {
        sending.answer(request, answer!);
        sending.done(command);
      },
      lose: () => this.#lose(sending, command, [request]),
    };
    sending.add(command);
    sending.done(looked);
    connection.send(command);
    this.#watch();
  }

  #lose(sending: Sending, command: Command, requests: readonly Request[]): void {
    for (const request of requests) sending.answer(request, { error: this.#lostError(request) });
    sending.done(command);
  }

  #establish(): void {
    const connection: SimulatedConnection = new SimulatedConnection(
      this.#server,
      () => {
        if (this.#connection !== connection) return;
        this.#connection = undefined;
        this.#previous = connection;
        this.#reconnect(0);
      },
      () => {
        this.#lastProgressMs = this.#server.loop.nowMs();
      },
    );
    this.#server.accept(connection);
    this.#connection = connection;
  }

  #reconnect(attempt: number): void {
    const { loop } = this.#server;
    const waitMs = Math.min(1000, this.#options.reconnectMs * 2 ** attempt) * (0.5 + this.#random() / 2);
    loop.setTimer(waitMs, () => this.#connect(attempt));
  }

  #connect(attempt: number): void {
    const { loop, troubles } = this.#server;
    const isSilent = troubles.isFrozen || troubles.swallowsRequests || troubles.swallowsReplies;
    if (isSilent) {
      loop.setTimer(this.#options.connectTimeoutMs, () => this.#reconnect(attempt + 1));
      return;
    }
    loop.setTimer(this.#server.latencyMs() * 4, () => {
      if (troubles.isDown || troubles.isFrozen) {
        this.#reconnect(attempt + 1);
        return;
      }
      if (this.#previous !== undefined) this.#server.end(this.#previous);
      this.#establish();
      this.onReconnected();
    });
  }

  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    this.#watchFor(this.#options.silenceMs);
  }

  #watchFor(delayMs: number): void {
    const { loop } = this.#server;
    loop.setTimer(delayMs, () => {
      this.#isWatched = false;
      const connection = this.#connection;
      if (connection === undefined || connection.due.length === 0) return;
      const leftMs = this.#options.silenceMs - (loop.nowMs() - this.#lastProgressMs);
      this.#isWatched = leftMs > 0;
      if (leftMs > 0) this.#watchFor(leftMs);
      else connection.lost("silent");
    });
  }

  #notConnected(request: Request): StateError {
    return new ConnectionError("not connected", { ...this.#place(request), reason: "ERR_CONNECTION", retryable: true });
  }

  #lostError(request: Request): StateError {
    const outcome = isReading(request.kind) ? "not-applied" : "unknown";
    const details = { ...this.#place(request), outcome, retryable: true } as const;
    return below(this.#random, 2) === 0
      ? new ConnectionError("lost", { ...details, reason: "ERR_CONNECTION" })
      : new TimeoutError("silent", { ...details, reason: "ERR_SILENT_PEER" });
  }

  #place(request: Request): { operation: string; backend: string } {
    return { operation: OPERATION_NAMES[request.kind], backend: this.name };
  }
}

/** A batch under way: complete when all its commands are. */
class Sending {
  readonly commands = new Set<Command>();
  readonly #batch: Batch;

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  add(command: Command): void {
    this.commands.add(command);
  }

  answer(request: Request, answer: Answer): void {
    if (!("error" in answer)) this.#batch.succeed(request, answer.result);
    else if (answer.isShared === true) this.#batch.refuseWithOthers(request, answer.error);
    else this.#batch.fail(request, answer.error);
  }

  done(command: Command): void {
    this.commands.delete(command);
    if (this.commands.size === 0) this.#batch.complete();
  }
}
