import { Redis } from "ioredis";
import { ignoreEvent, type Peer } from "./peer.js";

class IoredisPeer implements Peer {
  readonly name: string;
  readonly packageName = "ioredis";
  readonly format = "plain";
  readonly #autoPipelining: boolean;
  #client!: Redis;

  constructor(name: string, autoPipelining: boolean) {
    this.name = name;
    this.#autoPipelining = autoPipelining;
  }

  async connect(url: string): Promise<void> {
    this.#client = new Redis(url, { lazyConnect: true, enableAutoPipelining: this.#autoPipelining });
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

export function plainIoredis(): Peer {
  return new IoredisPeer("ioredis", false);
}

export function autoPipeliningIoredis(): Peer {
  return new IoredisPeer("ioredis-auto", true);
}
