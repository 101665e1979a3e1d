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

  async run(command: YardstickCommand, operations: number): Promise<YardstickResult> {
    const { hostname, port, username, password, pathname } = this.#url;
    const login = password === "" ? [] : ["-a", decodeURIComponent(password)];
    if (username !== "") login.push("--user", decodeURIComponent(username));
    if (pathname.length > 1) login.push("--dbnum", pathname.slice(1));
    const { stdout } = await promisify(execFile)(this.#path, [
      ...["-h", hostname, "-p", port === "" ? "6379" : port, ...login],
      ...["-c", "10", "-P", "100", "-n", String(operations), "-r", String(command.keys), "--csv"],
      ...command.words,
    ]);
    return parseCsv(stdout);
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
