import { createEngine, type Engine, type EngineOptions } from "../../src/index.js";
import type { Peer } from "./peer.js";

/** With default options, checksums on, it is what somebody gets who only gives a URL. */
export class MillracePeer implements Peer {
  readonly name: string;
  readonly packageName = null;
  readonly format = "millrace";
  readonly #options: EngineOptions;
  #engine!: Engine;

  constructor(name = "millrace", options: EngineOptions = {}) {
    this.name = name;
    this.#options = options;
  }

  async connect(url: string): Promise<void> {
    this.#engine = await createEngine({ ...this.#options, backend: url });
  }

  get engine(): Engine {
    return this.#engine;
  }

  get(key: string): Promise<Buffer | null> {
    return this.#engine.get(key);
  }

  put(key: string, value: string): Promise<void> {
    return this.#engine.put(key, value);
  }

  putWithTtl(key: string, value: string, ttlMs: number): Promise<void> {
    return this.#engine.put(key, value, { ttlMs });
  }

  delete(key: string): Promise<boolean> {
    return this.#engine.delete(key);
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}
