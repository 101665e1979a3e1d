import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { atExit } from "./exit-cleanup.js";

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5000;
const LOG_TAIL_CHARACTERS = 4000;

export interface ServerProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Whom the process runs as; default: as this one. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Whether the server answers by now. */
  readonly isReady: () => boolean | Promise<boolean>;
  /** What ends it in good order. Default: SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
}

/** One server of this process alone, with all that can happen to it. It ends when this process does. */
export class ServerProcess {
  readonly #options: ServerProcessOptions;
  #child: ChildProcess | null = null;
  #forget: (() => void) | null = null;

  constructor(options: ServerProcessOptions) {
    this.#options = options;
  }

  get pid(): number {
    return this.#running().pid!;
  }

  /** @throws Error with the end of its log when it does not get ready; whatever `isReady` throws. It does not run then. */
  async start(): Promise<void> {
    const { command, args, user, isReady } = this.#options;
    if (this.#child !== null) throw new Error(`${command} runs already`);
    const child = spawn(command, [...args], { stdio: ["ignore", "pipe", "pipe"], ...user, cwd: "/" });
    let log = "";
    let failure: Error | undefined;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-LOG_TAIL_CHARACTERS);
      });
      (stream as unknown as { unref(): void }).unref();
    }
    child.once("error", (error) => {
      failure = error;
    });
    child.unref();
    this.#child = child;
    this.#forget = atExit(() => child.kill("SIGKILL"));
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    try {
      while (!(await isReady())) {
        const hasEnded = failure !== undefined || child.exitCode !== null || child.signalCode !== null;
        if (hasEnded || performance.now() > deadlineMs) {
          throw new Error(`${command} did not start: ${failure?.message ?? ""}\n${log}`);
        }
        await delay(10);
      }
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    // A frozen server would keep the signal pending for ever.
    this.resume();
    const forced = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#end(child, this.#options.stopSignal ?? "SIGTERM");
    clearTimeout(forced);
  }

  /** Freezes the server and the processes it started. */
  pause(): void {
    for (const pid of this.#family()) signalIfAlive(pid, "SIGSTOP");
  }

  resume(): void {
    for (const pid of this.#family()) signalIfAlive(pid, "SIGCONT");
  }

  /** As a crash would, the processes it started included; resolves when all are gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    // Frozen, so that it starts no process that is not in the list, and would live on for a moment beside its successor.
    if (isRunning(child)) signalIfAlive(child.pid, "SIGSTOP");
    const started = child.pid === undefined ? [] : childrenOf(child.pid);
    const ended = this.#end(child, "SIGKILL");
    for (const pid of started) signalIfAlive(pid, "SIGKILL");
    await ended;
    for (const pid of started) {
      while (isAlive(pid)) await delay(5);
    }
  }

  async #end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    child.ref();
    if (isRunning(child)) {
      const exited = once(child, "exit");
      child.kill(signal);
      await exited;
    }
    this.#child = null;
    this.#forget?.();
    this.#forget = null;
  }

  #family(): number[] {
    const { pid } = this;
    return [pid, ...childrenOf(pid)];
  }

  #running(): ChildProcess {
    if (this.#child?.pid === undefined) throw new Error(`${this.#options.command} does not run`);
    return this.#child;
  }
}

function isRunning(child: ChildProcess): child is ChildProcess & { readonly pid: number } {
  return child.exitCode === null && child.signalCode === null && child.pid !== undefined;
}

/** Processes whose parent this is; none where there is no /proc. */
function childrenOf(parent: number): number[] {
  let entries: string[];
  try {
    entries = readdirSync("/proc");
  } catch {
    return [];
  }
  return entries.filter((name) => /^\d+$/.test(name) && factsOf(name)?.parent === parent).map(Number);
}

interface ProcessFacts {
  readonly state: string;
  readonly parent: number;
}

/** Undefined: there is no such process any more. */
function factsOf(pid: number | string): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold anything: state and parent follow its end.
    const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: state!, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

/** One that has ended and that nobody has asked about is not alive. */
function isAlive(pid: number): boolean {
  return !["Z", "X", undefined].includes(factsOf(pid)?.state);
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
