import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answer, Order, OrderProcessMessage, OrderTable } from "./order-protocol.js";

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface OrderProcessOptions {
  /** The module that serves the orders (`serveOrders`). */
  readonly entry: URL;
  /** Of what runs in it, for messages. */
  readonly name: string;
  /** What it is started with. */
  readonly start: object;
  readonly progress: (text: string) => void;
}

/**
 * One subject in a process of its own, as it would be in a service: what others have left in heap and caches, and in
 * what the compiler has learnt of shared functions, is no part of its figures.
 */
export class OrderProcess<Orders extends OrderTable<Orders>, Ready> {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #progress: (text: string) => void;
  readonly #waiting = new Map<number, Waiting>();
  #ready!: Ready;
  #orders = 0;

  protected constructor({ entry, name, start, progress }: OrderProcessOptions) {
    this.name = name;
    this.#progress = progress;
    this.#child = fork(fileURLToPath(entry), [], { serialization: "advanced", execArgv: ["--expose-gc"] });
    // Not as an argument: everybody on the machine can read those, and there may be a password in it. Where it cannot be
    // told the process has ended, which `started` hears of.
    this.#child.send(start, () => {});
  }

  /** What it told of itself when it was ready. */
  protected get ready(): Ready {
    return this.#ready;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  ask<Name extends keyof Orders>(name: Name, order: Order<Orders, Name>): Promise<Answer<Orders, Name>> {
    return new Promise((resolve, reject) => {
      const id = ++this.#orders;
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#child.send({ id, name, order }, (error) => {
        if (error !== null) this.#settle(id)?.reject(error);
      });
    });
  }

  /** Has the subject close its connections and the process end. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    await this.#close().catch(() => this.#child.kill("SIGKILL"));
    await ended;
  }

  /** Resolves when the subject is ready. */
  protected started(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.on("exit", (code, signal) => {
        const error = new Error(`the process of ${this.name} ended (${signal ?? code})`);
        reject(error);
        for (const waiting of this.#waiting.values()) waiting.reject(error);
        this.#waiting.clear();
      });
      this.#child.on("message", (message: OrderProcessMessage<Ready>) => {
        switch (message.kind) {
          case "ready":
            this.#ready = message.ready;
            return resolve();
          case "progress":
            return this.#progress(message.text);
          case "answer":
            return this.#settle(message.id)?.resolve(message.answer);
          case "failure": {
            const error = new Error(`${this.name}: ${message.text}`);
            return message.id === null ? reject(error) : this.#settle(message.id)?.reject(error);
          }
        }
      });
    });
  }

  #close(): Promise<unknown> {
    return this.ask("close" as keyof Orders, {} as Order<Orders, keyof Orders>);
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
