import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { OrderName, SubjectMessage, SubjectOrders, SubjectStart } from "./subject-protocol.js";

const ENTRY = fileURLToPath(new URL("subject-main.js", import.meta.url));

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One subject in a process of its own, as it would be in a service: what other clients have left in heap and caches,
 * and in what the compiler has learnt of shared functions, is no part of its figures.
 */
export class SubjectProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #progress: (text: string) => void;
  readonly #waiting = new Map<number, Waiting>();
  #ready!: { readonly packageName: string | null; readonly format: "plain" | "millrace" | "own" };
  #orders = 0;

  private constructor(start: SubjectStart, progress: (text: string) => void) {
    this.name = start.name;
    this.#progress = progress;
    this.#child = fork(ENTRY, [JSON.stringify(start)], { serialization: "advanced", execArgv: ["--expose-gc"] });
  }

  /** Resolves when the subject is connected. */
  static async open(start: SubjectStart, progress: (text: string) => void): Promise<SubjectProcess> {
    const subject = new SubjectProcess(start, progress);
    await subject.#connected();
    return subject;
  }

  get packageName(): string | null {
    return this.#ready.packageName;
  }

  /** See `Peer.format`. */
  get format(): "plain" | "millrace" | "own" {
    return this.#ready.format;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  ask<Name extends OrderName>(name: Name, order: SubjectOrders[Name]["order"]): Promise<SubjectOrders[Name]["answer"]> {
    return new Promise((resolve, reject) => {
      const id = ++this.#orders;
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#child.send({ id, name, order }, (error) => {
        if (error !== null) this.#settle(id)?.reject(error);
      });
    });
  }

  /** Has the client close its connections and the process end. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    await this.ask("close", {}).catch(() => this.#child.kill("SIGKILL"));
    await ended;
  }

  #connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.on("exit", (code, signal) => {
        const error = new Error(`the process of ${this.name} ended (${signal ?? code})`);
        reject(error);
        for (const waiting of this.#waiting.values()) waiting.reject(error);
        this.#waiting.clear();
      });
      this.#child.on("message", (message: SubjectMessage) => {
        switch (message.kind) {
          case "ready":
            this.#ready = message;
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

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
