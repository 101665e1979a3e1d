import type { EngineOptions } from "../../src/index.js";
import { CLIENT_NAMES, MILLRACE, YARDSTICK } from "../peers/all-peers.js";
import { RedisBenchmark } from "../peers/redis-benchmark.js";
import type { InputShape } from "./inputs.js";
import { SubjectProcess } from "./subject-process.js";

export interface SubjectsOptions {
  readonly names: readonly string[];
  /** This package's store. */
  readonly millraceUrl: string;
  /** This package's options. */
  readonly engine: EngineOptions;
  /** The others' store; null: they are left out. */
  readonly redisUrl: string | null;
  readonly seed: number;
  readonly progress: (text: string) => void;
  /** Told what is left out, and why. */
  readonly note: (text: string) => void;
}

/** The clients of a run, each connected in its own process, and the keys they read, loaded once per format. */
export class Subjects {
  readonly clients: readonly SubjectProcess[];
  readonly yardstick: RedisBenchmark | null;
  readonly #loader: SubjectProcess | null;
  readonly #loaded = new Set<string>();

  private constructor(
    clients: readonly SubjectProcess[],
    yardstick: RedisBenchmark | null,
    loader: SubjectProcess | null,
  ) {
    this.clients = clients;
    this.yardstick = yardstick;
    this.#loader = loader;
  }

  static async open(options: SubjectsOptions): Promise<Subjects> {
    const { names, millraceUrl, engine, redisUrl, seed, progress, note } = options;
    const opened: SubjectProcess[] = [];
    const start = async (name: string, url: string): Promise<SubjectProcess> => {
      const subject = await SubjectProcess.open({ name, url, seed, engine }, progress);
      opened.push(subject);
      return subject;
    };
    try {
      for (const name of CLIENT_NAMES) {
        if (!names.includes(name)) continue;
        if (name === MILLRACE) await start(name, millraceUrl);
        else if (redisUrl !== null) await start(name, redisUrl);
      }
      const clients = [...opened];
      const yardstick = redisUrl !== null && names.includes(YARDSTICK) ? await openYardstick(redisUrl, note) : null;
      const plain = clients.find((client) => client.format === "plain");
      const loader = plain ?? (yardstick === null ? null : await start("ioredis-auto", redisUrl as string));
      return new Subjects(clients, yardstick, loader);
    } catch (error) {
      await Promise.allSettled(opened.map((subject) => subject.close()));
      throw error;
    }
  }

  client(name: string): SubjectProcess | undefined {
    return this.clients.find((client) => client.name === name);
  }

  chosen(names: readonly string[]): SubjectProcess[] {
    return this.clients.filter((client) => names.includes(client.name));
  }

  /** Processes of this run, so that their work is not taken for that of others. */
  get pids(): readonly number[] {
    return this.#all().map((subject) => subject.pid);
  }

  /** Every subject makes these inputs now, side by side, instead of one after the other when they are needed. */
  async prepare(shapes: readonly InputShape[]): Promise<void> {
    await Promise.all(this.#all().map((subject) => subject.ask("prepare", { shapes })));
  }

  /** Writes every key once, in each of the formats that these subjects read. */
  async load(shape: InputShape, names: readonly string[]): Promise<void> {
    const writers = this.chosen(names);
    const withYardstick = names.includes(YARDSTICK) && this.yardstick !== null;
    if (this.#loader !== null && (withYardstick || writers.some((writer) => writer.format === "plain"))) {
      writers.push(this.#loader);
      if (withYardstick) await this.#loadOnce(this.#loader, shape, "yardstick");
    }
    for (const writer of writers) await this.#loadOnce(writer, shape, "own");
  }

  /**
   * Ends all but this one, for what measures it alone: even idle processes collect garbage now and then, beside the server
   * and on its processor. At 100,000 operations a second offered those of five made a p99 of 0.8 ms one of 0.7 to 4 ms.
   */
  async keepOnly(name: string): Promise<void> {
    await Promise.allSettled(this.#all().flatMap((subject) => (subject.name === name ? [] : [subject.close()])));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#all().map((subject) => subject.close()));
  }

  async #loadOnce(writer: SubjectProcess, shape: InputShape, keys: "own" | "yardstick"): Promise<void> {
    const mark = `${keys === "own" ? writer.format : keys} ${shape.space}`;
    if (this.#loaded.has(mark)) return;
    const errors = await writer.ask("load", { shape, keys });
    if (errors > 0) throw new Error(`${writer.name} could not load the keys: ${errors} puts failed`);
    this.#loaded.add(mark);
  }

  #all(): SubjectProcess[] {
    const all = new Set(this.clients);
    if (this.#loader !== null) all.add(this.#loader);
    return [...all];
  }
}

async function openYardstick(url: string, note: (text: string) => void): Promise<RedisBenchmark | null> {
  const yardstick = await RedisBenchmark.find(url);
  const refusal = (await yardstick?.refusal()) ?? null;
  if (refusal === null) return yardstick;
  note(`${YARDSTICK} is left out, since it cannot reach this server by TLS: ${refusal}`);
  return null;
}
