import type { ValueCodec } from "../../../codec/value-codec.js";
import type { Batch } from "../../batch.js";
import type { Request } from "../../request.js";

interface Held {
  readonly request: Request;
  readonly value: Buffer | null;
}

/**
 * Answers to a batch's reads that have nothing by which to verify: nulls, and values of other programs. Behind a value that
 * does not verify they may be the answers to other keys, and are held until a value that does, or the end of the command,
 * shows that every answer stands in its place.
 */
export class UnprovenAnswers {
  readonly #batch: Batch;
  readonly #codec: ValueCodec;
  /** Undefined: there was no such value. */
  #held: Held[] | undefined;
  /** The value before, if it is to be decoded later: whether it verifies is found out when something needs to know. */
  #undecoded: Buffer | undefined;
  #undecodedChecksum = 0;

  constructor(batch: Batch, codec: ValueCodec) {
    this.#batch = batch;
    this.#codec = codec;
  }

  /** Whether a value is known not to verify. */
  get isInDoubt(): boolean {
    return this.#held !== undefined;
  }

  /** Whether an answer that came now would be held: the value before is looked at for it. */
  get areHeld(): boolean {
    if (this.#undecoded !== undefined) this.#lookAtUndecoded();
    return this.#held !== undefined;
  }

  get requests(): readonly Request[] {
    return this.#held?.map(({ request }) => request) ?? [];
  }

  answer(request: Request, value: Buffer | null): void {
    if (this.areHeld) this.#held!.push({ request, value });
    else this.#batch.succeed(request, value);
  }

  /** Behind a value that does not verify. */
  hold(): void {
    this.#held ??= [];
    this.#undecoded = undefined;
  }

  /** Behind a value in its stored form, of which nobody knows yet whether it verifies. */
  holdUnlessSealed(stored: Buffer, keyChecksum: number): void {
    this.#undecoded = stored;
    this.#undecodedChecksum = keyChecksum;
  }

  /** Behind a value that verifies, or where the command has ended. */
  give(): void {
    this.#undecoded = undefined;
    if (this.#held === undefined) return;
    const proven = this.#held;
    this.#held = undefined;
    for (const { request, value } of proven) this.#batch.succeed(request, value);
  }

  #lookAtUndecoded(): void {
    const stored = this.#undecoded!;
    this.#undecoded = undefined;
    if (!this.#codec.isSealedAt(stored, 0, [stored.length], this.#undecodedChecksum)) this.hold();
  }
}
