import { createClient } from "redis";
import { ignoreEvent, type Peer } from "./peer.js";

type Client = ReturnType<typeof createClient>;

/** Writes of one turn of the event loop leave together by default, so there is no further option to turn on. */
export class NodeRedisPeer implements Peer {
  readonly name = "node-redis";
  readonly packageName = "redis";
  readonly format = "plain";
  #client!: Client;

  async connect(url: string): Promise<void> {
    this.#client = createClient({ url });
    this.#client.on("error", ignoreEvent);
    await this.#client.connect();
  }

  get(key: string): Promise<string | null> {
    return this.#client.get(key) as Promise<string | null>;
  }

  put(key: string, value: string): Promise<unknown> {
    return this.#client.set(key, value);
  }

  putWithTtl(key: string, value: string, ttlMs: number): Promise<unknown> {
    return this.#client.pSetEx(key, ttlMs, value);
  }

  delete(key: string): Promise<unknown> {
    return this.#client.unlink(key);
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }
}
