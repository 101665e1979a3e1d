import { Redis } from "ioredis";
import { until } from "./until.js";

/** The states of one key in the order in which the server made them: what was written, or null where it was deleted. */
export type KeyStates = readonly (string | null)[];

/** What a server executes, as it reports to a client that monitors it: the truth that readers are held against. */
export class ServerHistory {
  readonly #client: Redis;
  readonly #monitor: Redis;
  readonly #value: RegExp;
  readonly #states = new Map<string, (string | null)[]>();
  readonly #marks = new Set<string>();
  #markCount = 0;

  private constructor(client: Redis, monitor: Redis, value: RegExp) {
    this.#client = client;
    this.#monitor = monitor;
    this.#value = value;
    monitor.on("monitor", (_time: string, args: string[]) => this.#take(args));
  }

  /** @param value finds what was written in the stored form of a value */
  static async open(url: string, value: RegExp): Promise<ServerHistory> {
    const client = new Redis(url);
    return new ServerHistory(client, await client.monitor(), value);
  }

  statesOf(storedKey: string): KeyStates {
    return this.#states.get(storedKey) ?? [];
  }

  /** Resolves when everything that the server had executed before is in the history. */
  async caughtUp(): Promise<void> {
    const mark = `mark ${++this.#markCount}`;
    await this.#client.echo(mark);
    await until("the monitor has caught up", () => this.#marks.delete(mark));
  }

  close(): void {
    this.#client.disconnect();
    this.#monitor.disconnect();
  }

  #take([command, ...args]: readonly string[]): void {
    switch (command!.toLowerCase()) {
      case "echo":
        this.#marks.add(args[0]!);
        break;
      case "mset":
        for (let at = 0; at < args.length; at += 2) this.#became(args[at]!, args[at + 1]!);
        break;
      case "set":
        this.#became(args[0]!, args[1]!);
        break;
      case "psetex":
        this.#became(args[0]!, args[2]!);
        break;
      case "del":
      case "unlink":
      case "getdel":
        for (const key of args) this.#push(key, null);
        break;
    }
  }

  #became(key: string, stored: string): void {
    this.#push(key, this.#value.exec(stored)?.[0] ?? stored);
  }

  #push(key: string, state: string | null): void {
    const states = this.#states.get(key);
    if (states === undefined) this.#states.set(key, [state]);
    else states.push(state);
  }
}
