import type { ValueCodec } from "../../codec/value-codec.js";
import type { Batch } from "../batch.js";
import { locateError } from "../located-error.js";
import type { Request } from "../request.js";
import { BACKEND } from "./errors.js";
import { tooLargeError } from "./exchanges.js";

export interface ValueLimits {
  readonly codec: ValueCodec;
  readonly maxValueBytes: number;
  readonly maxStoredBytes: number;
}

/**
 * Takes columns with stored values, `length` -1 where there is none, and answers the reads of a batch with them.
 *
 * @param refuse is given those whose values are damaged or too long, instead of their callers
 */
export function valueAnswers(
  batch: Batch,
  checksums: Uint32Array,
  { codec, maxValueBytes, maxStoredBytes }: ValueLimits,
  refuse?: (request: Request) => void,
): (request: Request, index: number, bytes: Buffer, at: number, length: number) => void {
  let defers: boolean | undefined;
  return (request, index, bytes, at, length) => {
    if (length < 0) {
      batch.succeed(request, null);
      return;
    }
    let value: Buffer;
    try {
      if (length > maxStoredBytes) throw tooLargeError(maxValueBytes);
      const rawBytes = codec.claimedRawBytes(bytes, at, at + length);
      if (rawBytes >= 0) defers ??= batch.defersDecoding(rawBytes);
      if (rawBytes >= 0 && defers === true) {
        const stored = Buffer.from(bytes.subarray(at, at + length));
        if (refuse !== undefined && !codec.isIntact(stored, checksums[index]!)) refuse(request);
        else batch.succeedStored(request, stored, checksums[index]!);
        return;
      }
      value = codec.decode(bytes, at, at + length, checksums[index]!);
    } catch (error) {
      if (refuse !== undefined) refuse(request);
      else batch.fail(request, locateError(error, request, BACKEND));
      return;
    }
    batch.succeed(request, value);
  };
}
