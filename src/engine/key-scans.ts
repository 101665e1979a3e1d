import type { ScanPage } from "../backends/contract.js";
import type { CallArguments } from "./call-arguments.js";
import { calledAs } from "./called-as.js";
import type { EngineCore } from "./engine-core.js";

/** The calls of one view that go through all keys of a prefix. Each sees every call made before it. */
export class KeyScans {
  readonly #core: EngineCore;
  readonly #arguments: CallArguments;

  constructor(core: EngineCore, callArguments: CallArguments) {
    this.#core = core;
    this.#arguments = callArguments;
  }

  async *keys(prefix: string | undefined): AsyncIterable<string> {
    for await (const page of this.#pagesWhileOpen("keys", prefix, false)) {
      for (const key of page.keys) yield this.#arguments.strip(key);
    }
  }

  async *entries(prefix: string | undefined): AsyncIterable<[string, Buffer]> {
    for await (const page of this.#pagesWhileOpen("entries", prefix, true)) {
      for (const [index, key] of page.keys.entries()) yield [this.#arguments.strip(key), page.values![index]!];
    }
  }

  async list(prefix: string | undefined): Promise<string[]> {
    const found = new Set<string>();
    for await (const page of this.#pages("listKeys", prefix, false)) {
      for (const key of page.keys) found.add(this.#arguments.strip(key));
    }
    return [...found];
  }

  async count(prefix: string | undefined): Promise<number> {
    let count = 0;
    for await (const page of this.#pages("count", prefix, false)) count += page.keys.length;
    return count;
  }

  async *#pages(operation: string, prefix: string | undefined, withValues: boolean): AsyncIterable<ScanPage> {
    const scope = this.#arguments.prefix(operation, prefix);
    if (this.#core.isClosed) throw this.#arguments.closed(operation);
    this.#core.refuseWhileCircuitIsOpen(operation);
    await this.#core.pipeline.flush();
    try {
      yield* this.#core.driver.scan(scope, withValues);
    } catch (error) {
      throw calledAs(error, operation);
    }
  }

  /** For callers who take their time between two pages: closing the engine does not wait for them, it ends the scan. */
  async *#pagesWhileOpen(operation: string, prefix: string | undefined, withValues: boolean): AsyncIterable<ScanPage> {
    try {
      for await (const page of this.#pages(operation, prefix, withValues)) {
        yield page;
        if (this.#core.isClosed) break;
      }
    } catch (error) {
      if (!this.#core.isClosed) throw error;
    }
    if (this.#core.isClosed) throw this.#arguments.closed(operation);
  }
}
