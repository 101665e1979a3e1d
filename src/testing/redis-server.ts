import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { atExit } from "./exit-cleanup.js";
import { findRedisServer, type RedisExecutable, type RedisKind } from "./find-redis-server.js";
import { freePort } from "./free-port.js";

const START_TIMEOUT_MS = 10_000;
const PORT_ATTEMPTS = 5;
/** So long a server that is started again waits for its port, if another process has taken it meanwhile. */
const PORT_WAIT_MS = 15_000;

export interface RedisServerOptions {
  /** Further server arguments, such as `["--requirepass", "secret"]`; they win over the defaults. */
  readonly args?: readonly string[];
  /** Default: a port that is free. */
  readonly port?: number;
}

/** A server of this process alone: loopback, empty, nothing written to disk, gone when the process ends. */
export interface RedisServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Of the running server; changes with `restart`. */
  readonly pid: number;
  readonly kind: RedisKind;
  readonly version: string;
  /** The server's working folder. */
  readonly directory: string;
  /** Ends the server and removes its folder. Idempotent. */
  stop(): Promise<void>;
  /** Freezes the server: sockets stay open, nothing answers. */
  pause(): void;
  resume(): void;
  /** Ends the server at once as a crash would; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port after `kill`; data is what the server's own persistence kept. */
  restart(): Promise<void>;
}

/** @throws Error when no server is installed or it does not answer. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const executable = await findRedisServer();
  if (executable === null) {
    throw new Error(
      "no redis-server or valkey-server on the PATH; install one or set MILLRACE_REDIS_SERVER to its path",
    );
  }
  const directory = await mkdtemp(join(tmpdir(), "millrace-redis-"));
  try {
    for (let attempt = 1; ; attempt++) {
      const server = new LocalRedisServer(
        executable,
        directory,
        options.port ?? (await freePort()),
        options.args ?? [],
      );
      try {
        await server.start();
        return server;
      } catch (error) {
        if (!portWasTaken(error) || options.port !== undefined || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

class LocalRedisServer implements RedisServer {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly kind: RedisKind;
  readonly version: string;
  readonly directory: string;
  readonly #path: string;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;
  #forget: (() => void) | null = null;

  constructor(executable: RedisExecutable, directory: string, port: number, args: readonly string[]) {
    this.#path = executable.path;
    this.kind = executable.kind;
    this.version = executable.version;
    this.directory = directory;
    this.port = port;
    this.#args = args;
  }

  get url(): string {
    return `redis://${this.host}:${this.port}`;
  }

  get pid(): number {
    return this.#running().pid!;
  }

  async restart(): Promise<void> {
    const deadlineMs = performance.now() + PORT_WAIT_MS;
    for (;;) {
      try {
        await this.start();
        return;
      } catch (error) {
        if (!portWasTaken(error) || performance.now() > deadlineMs) throw error;
        await delay(50);
      }
    }
  }

  async start(): Promise<void> {
    if (this.#child !== null) throw new Error(`the server on port ${this.port} still runs`);
    const settings = ["--port", String(this.port), "--bind", this.host, "--dir", this.directory, "--save", ""];
    const child = spawn(this.#path, [...settings, "--appendonly", "no", "--daemonize", "no", ...this.#args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    const keepTail = (chunk: Buffer): void => {
      log = (log + chunk.toString()).slice(-4000);
    };
    child.stdout.on("data", keepTail);
    child.stderr.on("data", keepTail);
    // Neither the server nor its log may keep the event loop alive: a forgotten server ends with the process.
    child.unref();
    for (const stream of [child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref();
    this.#child = child;
    this.#forget = atExit(() => {
      child.kill("SIGKILL");
      rmSync(this.directory, { recursive: true, force: true });
    });
    try {
      await answered(child, this.host, this.port);
    } catch (error) {
      await this.kill();
      throw new Error(`${this.#path} did not start on port ${this.port}: ${(error as Error).message}\n${log}`);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== null) {
      // A frozen server would keep the signal pending for ever.
      child.kill("SIGCONT");
      const forced = setTimeout(() => child.kill("SIGKILL"), 3000);
      await this.#end(child, "SIGTERM");
      clearTimeout(forced);
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  pause(): void {
    this.#running().kill("SIGSTOP");
  }

  resume(): void {
    this.#running().kill("SIGCONT");
  }

  async kill(): Promise<void> {
    if (this.#child !== null) await this.#end(this.#child, "SIGKILL");
  }

  async #end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    child.ref();
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const exited = once(child, "exit");
      child.kill(signal);
      await exited;
    }
    this.#child = null;
    this.#forget?.();
    this.#forget = null;
  }

  #running(): ChildProcess {
    if (this.#child?.pid === undefined) throw new Error(`the server on port ${this.port} does not run`);
    return this.#child;
  }
}

function portWasTaken(error: unknown): boolean {
  return error instanceof Error && error.message.includes("Address already in use");
}

/** Resolves when the server answers PING; rejects when its process ends first or the time is over. */
async function answered(child: ChildProcess, host: string, port: number): Promise<void> {
  let failure: Error | null = null;
  child.once("error", (error) => {
    failure = error;
  });
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (failure !== null) throw failure;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended with code ${child.exitCode}`);
    if (await ping(host, port)) return;
    await delay(10);
  }
  throw new Error(`no answer to PING within ${START_TIMEOUT_MS} ms`);
}

/** One attempt on a fresh connection. A server that wants a password first is up as well; one that loads is not. */
function ping(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (up: boolean): void => {
      socket.destroy();
      resolve(up);
    };
    socket.setTimeout(1000, () => finish(false));
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (reply) => finish(/^(\+PONG|-NOAUTH|-NOPERM|-DENIED)/.test(reply.toString())));
    socket.once("error", () => finish(false));
    socket.once("close", () => resolve(false));
  });
}
