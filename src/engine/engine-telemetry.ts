import type { Batch } from "../backends/batch.js";
import type { Logger } from "../backends/contract.js";
import { type Kind, OPERATION_NAMES, type Request } from "../backends/request.js";
import { StateError } from "../core/errors.js";
import type { EventLoop } from "../core/event-loop.js";
import type { CanonicalKey } from "../core/key.js";
import { printableKey } from "../core/printable-key.js";
import { channels } from "../observability/channels.js";
import { LoopLag } from "../observability/loop-lag.js";
import type { OperationMeters } from "../observability/operation-meters.js";
import type { SloBurn, SloReport } from "../observability/slo-report.js";
import { SloTracker } from "../observability/slo-tracker.js";
import { SlowLog, type SlowOperation, type SlowPhases } from "../observability/slow-log.js";
import type { CircuitState } from "../pipeline/circuit-breaker.js";
import type { BatchPhases, PipelineWatcher } from "../pipeline/pipeline-watcher.js";
import {
  type CallName,
  METERED_OPERATIONS,
  NEVER_SLOW,
  phasesOf,
  type SettlementTimes,
} from "../pipeline/settlement-times.js";
import type { ResolvedOptions } from "./options.js";

/** Lines in the log for slow operations: one in so much time, which then says how many it stands for. */
const LOG_INTERVAL_MS = 1000;
/** How often objectives are looked at; counts of a second come in when it is over. */
const JUDGE_INTERVAL_MS = 1000;

/** What one engine notices of itself beyond counting: slow operations, objectives, the lag of its event loop. */
export class EngineTelemetry implements PipelineWatcher {
  readonly slowUs: number;
  readonly #backend: string;
  readonly #loop: EventLoop;
  readonly #logger: Logger;
  readonly #options: ResolvedOptions;
  readonly #slowLog: SlowLog | undefined;
  readonly #lag: LoopLag;
  #times: SettlementTimes | undefined;
  #slo: SloTracker | undefined;
  #judgedAtMs = 0;
  #unlogged = 0;
  #loggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(backend: string, options: ResolvedOptions, loop: EventLoop) {
    this.#backend = backend;
    this.#loop = loop;
    this.#logger = options.logger;
    this.#options = options;
    this.#slowLog = options.slowLog === false ? undefined : new SlowLog(options.slowLog.capacity);
    this.slowUs = options.slowLog === false ? NEVER_SLOW : Math.round(options.slowLog.thresholdMs * 1000);
    this.#lag = new LoopLag(loop, (nowMs) => this.#beat(nowMs));
  }

  /** To be called once, with what the pipeline made. */
  begin(times: SettlementTimes): void {
    const { slowLog, metrics, slo } = this.#options;
    this.#times = times;
    this.#slo = new SloTracker(times.meters, slo, (burn) => this.#budgetBurns(burn));
    if (slowLog !== false || metrics !== false || slo.length > 0) this.#lag.start();
  }

  stop(): void {
    this.#lag.stop();
  }

  get loopLagMs(): number {
    return this.#lag.worstMs;
  }

  /** With everything recorded that has settled. */
  get meters(): OperationMeters {
    const times = this.#times!;
    times.record();
    times.meters.advance(this.#loop.nowMs());
    times.meters.drain();
    return times.meters;
  }

  get nowMs(): number {
    return this.#loop.nowMs();
  }

  get slowByOperation(): Float64Array {
    return this.#times!.slowByOperation;
  }

  slowOperations(): SlowOperation[] {
    this.#times!.record();
    return this.#slowLog?.operations() ?? [];
  }

  sloReport(): SloReport {
    void this.meters;
    return this.#slo!.report(this.#loop.nowMs(), Date.now());
  }

  slow(request: Request, batch: Batch, phases: BatchPhases, elapsedUs: number): void {
    this.#addSlow(request, batch, phases, elapsedUs, null);
  }

  failed(request: Request, error: StateError, elapsedUs: number, batch: Batch | undefined): void {
    if (channels.operationFailed.hasSubscribers) {
      const { code, outcome, reason = null } = error;
      channels.operationFailed.publish({
        ...{ ...this.#place(request), code, reason, outcome, latencyMs: elapsedUs / 1000 },
      });
    }
    if (request.collector !== undefined) return;
    this.#slo?.failed(request.kind, elapsedUs, error.code === "ABORTED");
    if (elapsedUs < this.slowUs) return;
    const endedAtUs = (request.startedAtUs + elapsedUs) | 0;
    this.#addSlow(request, batch, batch === undefined ? undefined : phasesOf(batch, endedAtUs), elapsedUs, error.code);
  }

  /** An operation was answered from what this process has, but not at once. */
  answeredHere(kind: Kind, key: CanonicalKey, elapsedUs: number): void {
    this.#times!.recordAlone(kind, elapsedUs);
    if (elapsedUs < this.slowUs) return;
    this.#add({
      ...{ operation: OPERATION_NAMES[kind], key: printableKey(key), latencyMs: elapsedUs / 1000 },
      ...{ phases: null, batchSize: 0, attempts: 0, error: null },
    });
  }

  /** A call of many keys has ended. */
  callEnded(call: CallName, keys: number, elapsedUs: number, error: Error | undefined): void {
    const code = error === undefined ? null : error instanceof StateError ? error.code : "BACKEND";
    const operation = METERED_OPERATIONS.indexOf(call);
    this.#times!.recordAlone(operation, elapsedUs);
    if (code !== null) this.#slo?.failed(operation, elapsedUs, code === "ABORTED");
    if (elapsedUs < this.slowUs) return;
    this.#add({
      ...{ operation: call, key: null, latencyMs: elapsedUs / 1000, phases: null, batchSize: keys, attempts: 1 },
      error: code,
    });
  }

  retried(leader: Request, error: StateError, operations: number): void {
    if (!channels.retry.hasSubscribers) return;
    const { code, reason = null } = error;
    channels.retry.publish({
      ...{ ...this.#place(leader), code, reason, failedAttempts: leader.failedAttempts, operations },
    });
  }

  reconnected(): void {
    if (channels.reconnected.hasSubscribers) channels.reconnected.publish({ backend: this.#backend });
  }

  circuitChanged(from: CircuitState, to: CircuitState): void {
    if (channels.circuit.hasSubscribers) channels.circuit.publish({ backend: this.#backend, from, to });
    const level = to === "open" ? "warn" : "info";
    this.#logger[level]({ backend: this.#backend, from, to }, `the circuit is ${to}`);
  }

  #place(request: Request): { backend: string; operation: string; key: string } {
    return { backend: this.#backend, operation: OPERATION_NAMES[request.kind], key: printableKey(request.key) };
  }

  #beat(nowMs: number): void {
    if (nowMs - this.#judgedAtMs < JUDGE_INTERVAL_MS) return;
    this.#judgedAtMs = nowMs;
    this.#times!.meters.advance(nowMs);
    this.#slo!.judge(nowMs);
  }

  #addSlow(
    request: Request,
    batch: Batch | undefined,
    phases: BatchPhases | undefined,
    elapsedUs: number,
    error: string | null,
  ): void {
    this.#add({
      operation: OPERATION_NAMES[request.kind],
      key: printableKey(request.key),
      latencyMs: elapsedUs / 1000,
      phases: phases === undefined ? null : inMilliseconds(phases, elapsedUs),
      batchSize: batch?.size ?? 0,
      attempts: request.failedAttempts + (batch === undefined ? 0 : 1),
      error,
    });
  }

  #add(found: Omit<SlowOperation, "atMs" | "backend" | "eventLoopLagMs">): void {
    const operation: SlowOperation = {
      atMs: Date.now(),
      backend: this.#backend,
      ...found,
      eventLoopLagMs: this.#lag.currentMs,
    };
    this.#slowLog?.add(operation);
    if (channels.operationSlow.hasSubscribers) channels.operationSlow.publish(operation);
    this.#log(operation);
  }

  #log(operation: SlowOperation): void {
    const nowMs = this.#loop.nowMs();
    if (nowMs - this.#loggedAtMs < LOG_INTERVAL_MS) {
      this.#unlogged++;
      return;
    }
    const details = { ...operation, unlogged: this.#unlogged };
    this.#loggedAtMs = nowMs;
    this.#unlogged = 0;
    this.#logger.warn(details, "slow operation");
  }

  #budgetBurns(burn: SloBurn): void {
    if (channels.sloBurn.hasSubscribers) channels.sloBurn.publish({ backend: this.#backend, ...burn });
    const { operation, percentile, latencyMs } = burn.objective;
    const objective = `${operation} p${percentile} <= ${latencyMs} ms`;
    if (burn.state === "burning") this.#logger.warn(burn, `error budget of ${objective} burns (${burn.severity})`);
    else this.#logger.info(burn, `error budget of ${objective} no longer burns (${burn.severity})`);
  }
}

function inMilliseconds({ codecUs, storeUs, decodeUs }: BatchPhases, elapsedUs: number): SlowPhases {
  return {
    queueMs: Math.max(0, elapsedUs - codecUs - storeUs - decodeUs) / 1000,
    codecMs: codecUs / 1000,
    storeMs: storeUs / 1000,
    decodeMs: decodeUs / 1000,
  };
}
