import type { Envelope } from "../codec/envelope.js";
import { BackendError, StateError } from "../core/errors.js";
import { hasLostMemory, type Value } from "../core/value.js";
import { openEnvelope } from "./open-envelope.js";
import type { CodecSettings } from "./protocol.js";

/** The part of the engine's logger that is used here. */
export interface WorkerLogger {
  debug(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** What is left when threads fail: the same work on the calling thread, in a form that cannot fail. */
export class InlineCodec {
  readonly #settings: CodecSettings;
  readonly #logger: WorkerLogger | undefined;
  #envelope: Envelope | undefined;

  constructor(settings: CodecSettings, logger: WorkerLogger | undefined) {
    this.#settings = settings;
    this.#logger = logger;
  }

  get envelope(): Envelope {
    this.#envelope ??= openEnvelope(this.#settings);
    return this.#envelope;
  }

  /**
   * A codec that fails for want of memory costs the compression, not the value.
   * @returns undefined if there are no bytes any more: their memory was transferred away, or has shrunk
   */
  encode(keyChecksum: number, value: Value): Buffer | undefined {
    if (typeof value !== "string" && hasLostMemory(value)) return undefined;
    try {
      return this.envelope.encode(keyChecksum, value);
    } catch (error) {
      this.#logger?.warn({ err: error }, "a value could not be compressed and is stored as it is");
      return openEnvelope({ ...this.#settings, codec: "none" }).encode(keyChecksum, value);
    }
  }

  decode(keyChecksum: number, stored: Buffer): Buffer | StateError {
    try {
      return this.envelope.decode(stored, 0, stored.length, keyChecksum);
    } catch (error) {
      if (error instanceof StateError) return error;
      return new BackendError("the value could not be decoded", { cause: error });
    }
  }
}
