import { BackendError } from "../core/errors.js";

const INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/;
const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/**
 * The counter that `text` (decimal, as Redis writes it) holds, plus `by`.
 * @throws BackendError with reason ERR_NOT_AN_INTEGER or ERR_OVERFLOW
 */
export function addToCounter(text: Buffer | null, by: bigint): bigint {
  const sum = (text === null ? 0n : parseCounter(text)) + by;
  if (sum > MAX || sum < MIN) {
    throw new BackendError("the counter would leave the range of 64-bit integers", { reason: "ERR_OVERFLOW" });
  }
  return sum;
}

function parseCounter(text: Buffer): bigint {
  const digits = text.length <= 20 ? text.toString("latin1") : "";
  const value = INTEGER.test(digits) ? BigInt(digits) : undefined;
  if (value === undefined || value > MAX || value < MIN) {
    throw new BackendError("the value is not a 64-bit decimal integer", { reason: "ERR_NOT_AN_INTEGER" });
  }
  return value;
}
