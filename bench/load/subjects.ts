import { CLIENT_NAMES, MILLRACE, openPeer, YARDSTICK } from "../peers/all-peers.js";
import type { Peer } from "../peers/peer.js";
import { RedisBenchmark } from "../peers/redis-benchmark.js";
import { runEach } from "./closed-loop.js";
import { type Inputs, yardstickKeyOf } from "./inputs.js";

const LOAD_IN_FLIGHT = 1000;

/** The clients of a run, connected once, and the keys they read, loaded once per format. */
export class Subjects {
  readonly clients: readonly Peer[];
  readonly yardstick: RedisBenchmark | null;
  readonly #loader: Peer | null;
  readonly #loaded = new Set<string>();

  private constructor(clients: readonly Peer[], yardstick: RedisBenchmark | null, loader: Peer | null) {
    this.clients = clients;
    this.yardstick = yardstick;
    this.#loader = loader;
  }

  /** `millraceUrl` is this package's store; the others need `redisUrl`, without which they are left out. */
  static async open(names: readonly string[], millraceUrl: string, redisUrl: string | null): Promise<Subjects> {
    const clients: Peer[] = [];
    const connect = async (name: string, url: string): Promise<Peer> => {
      const peer = await openPeer(name);
      await peer.connect(url);
      clients.push(peer);
      return peer;
    };
    try {
      for (const name of CLIENT_NAMES) {
        if (!names.includes(name)) continue;
        if (name === MILLRACE) await connect(name, millraceUrl);
        else if (redisUrl !== null) await connect(name, redisUrl);
      }
      const yardstick = redisUrl !== null && names.includes(YARDSTICK) ? await RedisBenchmark.find(redisUrl) : null;
      const plain = clients.find((client) => client.format === "plain");
      const loader = plain ?? (yardstick === null ? null : await connect("ioredis-auto", redisUrl as string));
      const shown = clients.filter((client) => names.includes(client.name));
      return new Subjects(shown, yardstick, loader);
    } catch (error) {
      await Promise.allSettled(clients.map((client) => client.close()));
      throw error;
    }
  }

  client(name: string): Peer | undefined {
    return this.clients.find((client) => client.name === name);
  }

  /** Writes every key once, in each of the formats that these subjects read. */
  async load(inputs: Inputs, names: readonly string[]): Promise<void> {
    const writers = this.clients.filter((client) => names.includes(client.name));
    if (this.#loader !== null && (names.includes(YARDSTICK) || writers.some((peer) => peer.format === "plain"))) {
      writers.push(this.#loader);
    }
    if (this.#loader !== null && names.includes(YARDSTICK)) await this.#loadYardstick(this.#loader, inputs);
    for (const writer of writers) {
      const mark = `${writer.format} ${inputs.space}`;
      if (this.#loaded.has(mark)) continue;
      const errors = await runEach(inputs.keyCount, LOAD_IN_FLIGHT, (index) =>
        writer.put(inputs.allKeys[index]!, inputs.values[index % inputs.values.length]!),
      );
      if (errors > 0) throw new Error(`${writer.name} could not load the keys: ${errors} puts failed`);
      this.#loaded.add(mark);
    }
  }

  /** The keys that redis-benchmark picks at random, numbered from nought. */
  async #loadYardstick(loader: Peer, inputs: Inputs): Promise<void> {
    const mark = `yardstick ${inputs.space}`;
    if (this.#loaded.has(mark)) return;
    const errors = await runEach(inputs.keyCount, LOAD_IN_FLIGHT, (index) =>
      loader.put(yardstickKeyOf(inputs.space, index), inputs.values[index % inputs.values.length]!),
    );
    if (errors > 0) throw new Error(`${loader.name} could not load the yardstick's keys: ${errors} puts failed`);
    this.#loaded.add(mark);
  }

  async close(): Promise<void> {
    const all = new Set(this.#loader === null ? this.clients : [...this.clients, this.#loader]);
    await Promise.allSettled([...all].map((client) => client.close()));
  }
}
