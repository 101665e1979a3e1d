import { CorruptValueError } from "../../core/errors.js";
import type { CompressorName } from "./compressor.js";

export function corruptBody(codec: CompressorName, problem: string, cause?: unknown): CorruptValueError {
  return new CorruptValueError(`${codec} body is damaged: ${problem}`, { reason: "ERR_CORRUPT_VALUE", cause });
}
