import { Batch, type BatchChoice } from "../../src/backends/batch.js";
import type { Capabilities, Driver, DriverContext, Health, ScanPage } from "../../src/backends/contract.js";
import { Kind, OPERATION_NAMES, type Request } from "../../src/backends/request.js";
import { BackendError, ConnectionError, type StateError } from "../../src/core/errors.js";

/** What becomes of one request: done, refused before the store sees it, or done with its answer lost. */
export type Fate = "done" | "refused" | "lost";

export interface FaultPlan {
  fate(request: Request): Fate;
  /** Turns of the event loop that the answers of the next batch are held back; those behind it wait as well. */
  turnsLate(): number;
}

export const NO_FAULTS: FaultPlan = { fate: () => "done", turnsLate: () => 0 };

type Answer = { readonly result: unknown } | { readonly error: StateError };

/** Stands between a pipeline and a driver: watches what is sent, fails requests by plan and answers late. */
export class FaultyDriver implements Driver {
  readonly name: string;
  readonly capabilities: Capabilities;
  plan: FaultPlan = NO_FAULTS;
  /** Called with every batch before it is executed. */
  onExecute: (batch: Batch) => void = () => {};
  readonly #inner: Driver;
  #delivered: Promise<void> = Promise.resolve();
  #gate: Promise<void> = Promise.resolve();

  constructor(inner: Driver) {
    this.#inner = inner;
    this.name = inner.name;
    this.capabilities = { ...inner.capabilities, maxInFlight: 1024, gathersBatches: false };
  }

  /** Keeps all answers back until the returned function is called; what they answer is done at once. */
  holdAnswers(): () => void {
    let open: () => void = () => {};
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    // A real store has a socket that keeps the process alive while answers are due.
    const alive = setInterval(() => {}, 60_000);
    return () => {
      clearInterval(alive);
      open();
    };
  }

  open(context: DriverContext): Promise<void> {
    return this.#inner.open(context);
  }

  isWritable(): boolean {
    return this.#inner.isWritable?.() ?? true;
  }

  outage(): StateError | undefined {
    return this.#inner.outage?.();
  }

  nextBatch(first: Request): BatchChoice | undefined {
    return this.#inner.nextBatch?.(first);
  }

  execute(batch: Batch): void {
    this.onExecute(batch);
    const answers = new Map<Request, Answer>();
    let complete: () => void = () => {};
    const completed = new Promise<void>((resolve) => {
      complete = resolve;
    });
    const lost = new Set<Request>();
    let passed = 0;
    // Stores carry out the increments of a batch together.
    let ofIncrements: Fate | undefined;
    const inner = new Batch({
      nowUs: () => 0,
      defersDecoding: () => false,
      requestSucceeded: (_, leader, result) =>
        answers.set(leader, lost.has(leader) ? { error: this.#lostError(leader) } : { result }),
      requestFailed: (_, leader, error) => answers.set(leader, { error }),
      batchCompleted: () => complete(),
    });
    for (const group of ["reads", "probes", "deletes", "puts", "expiringPuts", "others"] as const) {
      for (const request of batch[group]) {
        const drawn = this.plan.fate(request);
        if (request.kind === Kind.increment) ofIncrements ??= drawn;
        const fate = request.kind === Kind.increment ? ofIncrements! : drawn;
        if (fate === "lost") lost.add(request);
        if (fate === "refused") {
          answers.set(request, { error: this.#refusal(request) });
        } else {
          inner[group].push(request);
          passed++;
        }
      }
    }
    inner.size = batch.size;
    inner.bytes = batch.bytes;
    const turns = this.plan.turnsLate();
    const before = this.#delivered;
    this.#delivered = (async () => {
      await Promise.all([before, completed]);
      await this.#gate;
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      batch.forEachLeader((leader) => {
        const answer = answers.get(leader);
        if (answer === undefined) throw new Error("the driver completed a batch without answering all of it");
        if ("error" in answer) batch.fail(leader, answer.error);
        else batch.succeed(leader, answer.result);
      });
      batch.complete();
    })();
    // An empty batch is none: nothing of it would ever be answered.
    if (passed > 0) this.#inner.execute(inner);
    else complete();
  }

  abandon(batch: Batch): void {
    this.#inner.abandon?.(batch);
  }

  scan(prefix: string, withValues: boolean): AsyncIterable<ScanPage> {
    return this.#inner.scan(prefix, withValues);
  }

  clear(prefix: string): Promise<number> {
    return this.#inner.clear(prefix);
  }

  health(): Promise<Health> {
    return this.#inner.health();
  }

  memoryUsage(): Promise<number> {
    return this.#inner.memoryUsage();
  }

  serverInfo(): Promise<Record<string, string>> {
    return this.#inner.serverInfo();
  }

  connections(): { active: number; idle: number } {
    return this.#inner.connections();
  }

  async close(): Promise<void> {
    await this.#delivered;
    await this.#inner.close();
  }

  #refusal(request: Request): StateError {
    return new BackendError("refused by plan", { ...this.#place(request), reason: "ERR_PLANNED", retryable: true });
  }

  #lostError(request: Request): StateError {
    const isRead = request.kind === Kind.get || request.kind === Kind.contains || request.kind === Kind.ttl;
    const outcome = isRead ? "not-applied" : "unknown";
    const details = { ...this.#place(request), outcome, reason: "ERR_PLANNED", retryable: true } as const;
    return new ConnectionError("answer lost by plan", details);
  }

  #place(request: Request): { operation: string; key: string; backend: string } {
    return { operation: OPERATION_NAMES[request.kind], key: request.key, backend: this.name };
  }
}
