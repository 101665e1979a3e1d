import { fileURLToPath } from "node:url";
import { Piscina, queueOptionsSymbol } from "piscina";
import type { CodecRequest, CodecResponse, CodecResults, CodecSettings, ThreadData } from "./protocol.js";

/** One job runs, one waits in the thread: it need not idle until the calling thread comes round to its results. */
const JOBS_PER_THREAD = 2;
const QUEUED_PER_THREAD = 32;
/** Values live outside the JavaScript heap, so a heap that needs more than this has gone wrong. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16 };
const TICKS_PER_FLOOR = 4;
const IDLE_TICKS = 40;

export interface ThreadPoolOptions {
  readonly workerFile: URL;
  readonly threads: number;
  readonly settings: CodecSettings;
  /** No job is given up before this time. */
  readonly watchdogFloorMs: number;
  readonly onThreadError: (error: unknown) => void;
}

/** A job under way, as the watchdog sees it. */
interface Ticket {
  /** -1: it has not been given to a thread yet. */
  threadId: number;
  ticksLeft: number;
  readonly giveUp: (error: Error) => void;
}

/**
 * The threads, and the certainty that every job ends: `run` settles whatever becomes of the thread.
 *
 * The watchdog counts ticks of a timer instead of time, so that a calling thread that stood still itself does not
 * hold that against the job, and only the job at the head of a thread ages. A job that outlives its allowance loses
 * its thread; jobs that waited behind it are rejected with it and can be run again.
 */
export class ThreadPool {
  /** More than so many wait for their turn. */
  readonly jobsAtOnce: number;
  readonly #piscina: Piscina<CodecRequest, CodecResponse>;
  readonly #tickets = new Set<Ticket>();
  readonly #tickMs: number;
  readonly #capacity: number;
  #timer: NodeJS.Timeout | undefined;
  #idleTicks = 0;

  constructor(options: ThreadPoolOptions) {
    const { threads } = options;
    this.#tickMs = options.watchdogFloorMs / TICKS_PER_FLOOR;
    this.jobsAtOnce = threads * JOBS_PER_THREAD;
    this.#capacity = threads * (JOBS_PER_THREAD + QUEUED_PER_THREAD);
    const ready = new Set<number>();
    this.#piscina = new Piscina({
      filename: fileURLToPath(new URL("./thread-entry.cjs", import.meta.url)),
      name: "runCodecJob",
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: JOBS_PER_THREAD,
      maxQueue: threads * QUEUED_PER_THREAD,
      workerData: { module: options.workerFile.href, settings: options.settings } satisfies ThreadData,
      resourceLimits: HEAP_LIMITS,
      recordTiming: false,
      loadBalancer: leastBusyOf(ready),
    });
    this.#piscina.on("workerCreate", ({ id }: { id: number }) => ready.add(id));
    this.#piscina.on("workerDestroy", ({ id }: { id: number }) => ready.delete(id));
    this.#piscina.on("error", options.onThreadError);
  }

  get threads(): number {
    return this.#piscina.threads.length;
  }

  /** Jobs under way, running and queued. */
  get jobs(): number {
    return this.#tickets.size;
  }

  get hasRoom(): boolean {
    return this.#tickets.size < this.#capacity;
  }

  /**
   * Runs one job; its slab is gone afterwards, whatever the outcome.
   * @throws Error when the thread was lost, or gave up on the job as a whole
   */
  run(request: CodecRequest, allowanceMs: number): Promise<CodecResults> {
    return new Promise<CodecResults>((resolve, reject) => {
      const ticket: Ticket = {
        threadId: -1,
        ticksLeft: Math.ceil(allowanceMs / this.#tickMs) + 1,
        giveUp: reject,
      };
      this.#tickets.add(ticket);
      this.#watch();
      const task = Object.assign(request, { [queueOptionsSymbol]: ticket });
      this.#piscina.run(task, { transferList: [request.slab] }).then(
        (response) => {
          this.#tickets.delete(ticket);
          if (response.ok) resolve(response);
          else reject(new Error(response.detail));
        },
        (error: unknown) => {
          this.#tickets.delete(ticket);
          reject(error);
        },
      );
    });
  }

  /** Ends the threads; jobs under way are rejected. */
  async destroy(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#piscina.destroy();
  }

  #watch(): void {
    this.#idleTicks = 0;
    if (this.#timer !== undefined) return;
    // Jobs keep the process alive by themselves while they run.
    this.#timer = setInterval(() => this.#tick(), this.#tickMs).unref();
  }

  #tick(): void {
    if (this.#tickets.size === 0 && ++this.#idleTicks > IDLE_TICKS) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    const aged = new Set<number>();
    for (const ticket of this.#tickets) {
      if (aged.has(ticket.threadId)) continue;
      aged.add(ticket.threadId);
      if (--ticket.ticksLeft < 0) this.#end(ticket);
    }
  }

  #end(ticket: Ticket): void {
    this.#tickets.delete(ticket);
    ticket.giveUp(new Error("a codec job outlived its allowance"));
    const thread = this.#piscina.threads.find(({ threadId }) => threadId === ticket.threadId);
    if (thread !== undefined) void thread.terminate();
  }
}

type LoadBalancer = NonNullable<NonNullable<ConstructorParameters<typeof Piscina>[0]>["loadBalancer"]>;

/**
 * As Piscina's own balancer, and notes which thread a job went to: nothing else tells the watchdog. A thread gets nothing
 * before it has said that it is ready: Piscina takes one that dies before for proof that none can start, and never
 * replaces a thread again, and whether the word of it or of its death comes first is chance.
 */
function leastBusyOf(ready: ReadonlySet<number>): LoadBalancer {
  return (task, workers) => {
    let chosen: (typeof workers)[number] | null = null;
    for (const worker of workers) {
      if (worker.currentUsage >= JOBS_PER_THREAD || !ready.has(worker.id)) continue;
      if (chosen === null || worker.currentUsage < chosen.currentUsage) chosen = worker;
    }
    const ticket = task[queueOptionsSymbol] as Ticket | null;
    if (chosen !== null && ticket !== null) ticket.threadId = chosen.id;
    return chosen;
  };
}
