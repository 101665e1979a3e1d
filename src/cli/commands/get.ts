import { isUtf8 } from "node:buffer";
import { type Console, jsonOf, print, write } from "../console.js";
import { Failure } from "../failure.js";
import type { StoreFlags } from "../settings.js";
import { withEngine } from "../with-engine.js";

const NEWLINE = 10;

/** The value's bytes as they are; a terminal gets a line break behind them, a pipe does not. */
export async function getCommand(console: Console, key: string, flags: StoreFlags): Promise<void> {
  const value = await withEngine(console, flags, (engine) => engine.get(key));
  if (flags.json === true) await print(console, jsonOf({ key, ...jsonValue(value) }));
  if (value === null) throw new Failure(`there is no key ${jsonOf(key)}`);
  if (flags.json === true) return;
  await write(console, value);
  if (console.output.isTTY === true && value.at(-1) !== NEWLINE) await write(console, "\n");
}

/** Text stands in JSON as it is; other bytes as base64. */
function jsonValue(value: Buffer | null): Record<string, unknown> {
  if (value === null) return { found: false };
  const encoding = isUtf8(value) ? "utf8" : "base64";
  return { found: true, bytes: value.length, encoding, value: value.toString(encoding) };
}
