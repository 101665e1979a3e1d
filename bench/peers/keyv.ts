import { KeyvLz4 } from "@keyv/compress-lz4";
import { createKeyv } from "@keyv/redis";
import type { CompressionAdapter, Keyv } from "keyv";
import { ignoreEvent, type Peer } from "./peer.js";

/** Keyv over its Redis adapter (node-redis below) with its own LZ4 compression. */
export class KeyvPeer implements Peer {
  readonly name = "keyv+lz4";
  readonly packageName = "keyv";
  readonly format = "own";
  #store!: Keyv<string>;

  async connect(url: string): Promise<void> {
    this.#store = createKeyv(url, { throwOnConnectError: true, throwOnErrors: true }) as Keyv<string>;
    // Its own types fit Keyv's only where exactOptionalPropertyTypes is off.
    this.#store.compression = new KeyvLz4() as unknown as CompressionAdapter;
    this.#store.on("error", ignoreEvent);
  }

  async get(key: string): Promise<string | null> {
    return (await this.#store.get(key)) ?? null;
  }

  put(key: string, value: string): Promise<unknown> {
    return this.#store.set(key, value);
  }

  putWithTtl(key: string, value: string, ttlMs: number): Promise<unknown> {
    return this.#store.set(key, value, ttlMs);
  }

  delete(key: string): Promise<unknown> {
    return this.#store.delete(key);
  }

  async close(): Promise<void> {
    await this.#store.disconnect();
  }
}
