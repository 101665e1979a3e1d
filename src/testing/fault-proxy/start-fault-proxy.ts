import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { ArmedFault, FaultProxy, FaultProxyOptions, FaultProxyStatistics, Faults, SingleFault } from "./faults.js";
import { LocalFaultProxy } from "./local-fault-proxy.js";
import type { Answered, Asked, Order, ThreadSetup } from "./protocol.js";

/** Starts a proxy in front of a port of this machine (or of `targetHost`). */
export function startFaultProxy(targetPort: number, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  return options.thread === false
    ? LocalFaultProxy.start(targetPort, options)
    : ThreadFaultProxy.start(targetPort, options);
}

interface Waiting {
  readonly resolve: (result: Answered["result"]) => void;
  readonly reject: (error: Error) => void;
}

/** The proxy in a thread of its own: every call is a message there and one back. */
class ThreadFaultProxy implements FaultProxy {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #fates = new Map<number, (happened: boolean) => void>();
  #ids = 0;
  #closing: Promise<FaultProxyStatistics> | undefined;
  /** Why no order is answered any more. */
  #ended: Error | undefined;

  private constructor(worker: Worker, port: number) {
    this.#worker = worker;
    this.port = port;
    worker.on("message", (answered: Answered) => this.#settle(answered));
    worker.on("error", (error) => this.#failAll(error));
    worker.on("exit", () => this.#failAll(new Error("the proxy's thread has ended")));
    // A forgotten proxy must not keep the process alive.
    worker.unref();
  }

  static async start(targetPort: number, options: FaultProxyOptions): Promise<ThreadFaultProxy> {
    const workerData: ThreadSetup = { targetPort, options };
    const worker = new Worker(new URL("./fault-proxy-thread.js", import.meta.url), { workerData });
    // Rejects when the thread fails first.
    const [{ result }] = (await once(worker, "message")) as [Answered];
    return new ThreadFaultProxy(worker, result as number);
  }

  async set(faults: Faults): Promise<void> {
    this.#refuseWhenClosed();
    await this.#order({ name: "set", faults });
  }

  async clear(): Promise<void> {
    this.#refuseWhenClosed();
    await this.#order({ name: "clear" });
  }

  async cut(): Promise<number> {
    if (this.#closing !== undefined) return this.#closing.then(() => 0);
    return (await this.#order({ name: "cut" })) as number;
  }

  async arm(fault: SingleFault): Promise<ArmedFault> {
    this.#refuseWhenClosed();
    const id = ++this.#ids;
    const happened = new Promise<boolean>((resolve) => this.#fates.set(id, resolve));
    await this.#order({ name: "arm", fault }, id);
    return { happened };
  }

  async statistics(): Promise<FaultProxyStatistics> {
    if (this.#closing !== undefined) return this.#closing;
    return (await this.#order({ name: "statistics" })) as FaultProxyStatistics;
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  #refuseWhenClosed(): void {
    if (this.#closing !== undefined) throw new Error("the proxy is closed");
  }

  /** The thread ends by itself: `terminate` while sockets are being reset spins for ever in Node.js 20. */
  async #close(): Promise<FaultProxyStatistics> {
    const closed = this.#order({ name: "close" }).then((last) => {
      this.#worker.ref();
      return last as FaultProxyStatistics;
    });
    const [last] = await Promise.all([closed, once(this.#worker, "exit")]);
    return last;
  }

  #order(order: Order, id = ++this.#ids): Promise<Answered["result"]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // Somebody awaits this answer, so the process has a reason to live until it is there.
      this.#worker.ref();
      this.#worker.postMessage({ id, order } satisfies Asked);
    });
  }

  #settle({ id, isFate, result, error }: Answered): void {
    if (isFate === true) {
      this.#fates.get(id)?.(result === true);
      this.#fates.delete(id);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }

  #failAll(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
    for (const settle of this.#fates.values()) settle(false);
    this.#fates.clear();
  }
}
