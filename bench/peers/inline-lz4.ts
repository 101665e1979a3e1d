import { Redis } from "ioredis";
import { PackagedLz4Instance } from "../../src/codec/compression/lz4-package.js";
import { ignoreEvent, type Peer } from "./peer.js";

const LENGTH_BYTES = 4;
const SCRATCH_BYTES = 1_048_576;

/**
 * What a service does that compresses by itself: each value by lz4-wasm in the call that writes it, over ioredis with
 * auto-pipelining. Its raw length stands before the block; there is neither checksum nor any other header.
 */
export class InlineLz4Peer implements Peer {
  readonly name = "ioredis-auto+lz4-wasm";
  readonly packageName = "lz4-wasm";
  readonly format = "own";
  readonly #lz4 = new PackagedLz4Instance();
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #client!: Redis;

  async connect(url: string): Promise<void> {
    this.#client = new Redis(url, { lazyConnect: true, enableAutoPipelining: true });
    this.#client.on("error", ignoreEvent);
    await this.#client.connect();
  }

  async get(key: string): Promise<Buffer | null> {
    const stored = await this.#client.getBuffer(key);
    if (stored === null) return null;
    const value = this.#lz4.decompress(stored, LENGTH_BYTES, stored.length, stored.readUInt32LE(0));
    if (value === undefined) throw new Error("the value is damaged");
    return value;
  }

  put(key: string, value: string): Promise<unknown> {
    return this.#client.set(key, this.#compress(value));
  }

  putWithTtl(key: string, value: string, ttlMs: number): Promise<unknown> {
    return this.#client.psetex(key, ttlMs, this.#compress(value));
  }

  delete(key: string): Promise<unknown> {
    return this.#client.unlink(key);
  }

  async close(): Promise<void> {
    this.#client.disconnect();
  }

  #compress(value: string): Buffer {
    const end = this.#lz4.compressInto(value, this.#scratch, LENGTH_BYTES, SCRATCH_BYTES - LENGTH_BYTES);
    if (end < 0) throw new Error("the value is too large for this peer");
    this.#scratch.writeUInt32LE(this.#lz4.lastRawBytes, 0);
    return Buffer.from(this.#scratch.subarray(0, end));
  }
}
