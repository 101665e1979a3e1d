import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findOnPath } from "../../src/testing/index.js";

export interface YardstickResult {
  readonly opsPerSec: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

export interface YardstickCommand {
  /** Command and arguments; `__rand_int__` stands for twelve digits. */
  readonly words: readonly string[];
  readonly keys: number;
}

const TLS_PATIENCE_MS = 5000;
/** It tries for ever to reach a server that is gone: so long it has, and what a very slow machine needs. */
const PATIENCE_MS = 60_000;
const SLOWEST_MS_PER_OPERATION = 1;

/**
 * The load generator that comes with the server: C, its own process, replies looked at and dropped, nothing awaited
 * by anybody. No client can do as little, which makes it the yardstick of what this machine and server have to give.
 * Ten connections with pipelines of 100: 1000 operations in flight, as many as the clients have beside it.
 */
export class RedisBenchmark {
  readonly #path: string;
  readonly #url: URL;

  private constructor(path: string, url: string) {
    this.#path = path;
    this.#url = new URL(url);
  }

  /** null: no such program on the PATH. */
  static async find(url: string): Promise<RedisBenchmark | null> {
    const path = await findOnPath(["redis-benchmark", "valkey-benchmark"]);
    return path === null ? null : new RedisBenchmark(path, url);
  }

  /**
   * Why it cannot talk to this server; null: it can. It is asked by TLS only, which not every build of it has, and for
   * which it trusts other certificates than Node.js does.
   */
  async refusal(): Promise<string | null> {
    if (this.#url.protocol !== "rediss:") return null;
    try {
      await this.#execute({ words: ["PING"], keys: 1 }, 1, TLS_PATIENCE_MS);
      return null;
    } catch (error) {
      const { stderr = "", killed } = error as { readonly stderr?: string; readonly killed?: boolean };
      if (killed === true) return `no answer within ${TLS_PATIENCE_MS / 1000} s, as when it trusts no certificate`;
      return stderr.trim().split("\n").at(-1) || "it gives no reason";
    }
  }

  async run(command: YardstickCommand, operations: number): Promise<YardstickResult> {
    return parseCsv(await this.#execute(command, operations, PATIENCE_MS + operations * SLOWEST_MS_PER_OPERATION));
  }

  async #execute(command: YardstickCommand, operations: number, timeoutMs: number): Promise<string> {
    const { hostname, port, pathname } = this.#url;
    const database = pathname.length > 1 ? ["--dbnum", pathname.slice(1)] : [];
    const { stdout } = await promisify(execFile)(
      this.#path,
      [
        ...["-h", hostname, "-p", port === "" ? "6379" : port, ...this.#login(), ...this.#tls(), ...database],
        ...["-c", "10", "-P", "100", "-n", String(operations), "-r", String(command.keys), "--csv"],
        ...command.words,
      ],
      { timeout: timeoutMs },
    );
    return stdout;
  }

  #login(): string[] {
    const { username, password } = this.#url;
    const login = password === "" ? [] : ["-a", decodeURIComponent(password)];
    return username === "" ? login : [...login, "--user", decodeURIComponent(username)];
  }

  /** Trusts what the clients beside it are told to trust. */
  #tls(): string[] {
    if (this.#url.protocol !== "rediss:") return [];
    const authorities = process.env.NODE_EXTRA_CA_CERTS ?? "";
    return authorities === "" ? ["--tls"] : ["--tls", "--cacert", authorities];
  }
}

/** The figures stand at the end of the last line, behind the command, which may itself hold commas and quotes. */
export function parseCsv(output: string): YardstickResult {
  const last = output.trim().split("\n").at(-1) ?? "";
  const fields = /"([\d.]+)","([\d.]+)","([\d.]+)","([\d.]+)","([\d.]+)","([\d.]+)","([\d.]+)"$/.exec(last);
  if (fields === null) throw new Error(`redis-benchmark wrote something else than figures: ${last.slice(0, 200)}`);
  const [opsPerSec, meanMs, , p50Ms, , p99Ms, maxMs] = fields.slice(1).map(Number) as [
    ...[number, number, number, number],
    ...[number, number, number],
  ];
  return { opsPerSec, meanUs: meanMs * 1000, p50Us: p50Ms * 1000, p99Us: p99Ms * 1000, maxUs: maxMs * 1000 };
}
