import { Redis } from "iovalkey";
import { ignoreEvent, type Peer } from "./peer.js";

export class IovalkeyPeer implements Peer {
  readonly name = "iovalkey-auto";
  readonly packageName = "iovalkey";
  readonly format = "plain";
  #client!: Redis;

  async connect(url: string): Promise<void> {
    this.#client = new Redis(url, { lazyConnect: true, enableAutoPipelining: true });
    this.#client.on("error", ignoreEvent);
    await this.#client.connect();
  }

  /** As bytes: what `get` decodes to text costs more, from 1 KiB on by far, and nothing here needs text. */
  get(key: string): Promise<Buffer | null> {
    return this.#client.getBuffer(key);
  }

  put(key: string, value: string): Promise<unknown> {
    return this.#client.set(key, value);
  }

  putWithTtl(key: string, value: string, ttlMs: number): Promise<unknown> {
    return this.#client.psetex(key, ttlMs, value);
  }

  delete(key: string): Promise<unknown> {
    return this.#client.unlink(key);
  }

  async close(): Promise<void> {
    this.#client.disconnect();
  }
}
