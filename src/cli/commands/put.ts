import { type Console, jsonOf, print } from "../console.js";
import { UsageError } from "../failure.js";
import type { StoreFlags } from "../settings.js";
import { withEngine } from "../with-engine.js";

export interface PutFlags extends StoreFlags {
  readonly ttl?: number;
}

/** The largest value that any engine takes; its own limit may be lower. */
const MAX_INPUT_BYTES = 536_870_912;

/** Stores the value given, or all of standard input. */
export async function putCommand(
  console: Console,
  key: string,
  given: string | undefined,
  flags: PutFlags,
): Promise<void> {
  const value = given === undefined || given === "-" ? await allOf(console) : given;
  await withEngine(console, flags, (engine) =>
    engine.put(key, value, flags.ttl === undefined ? {} : { ttlMs: flags.ttl }),
  );
  if (flags.json === true) await print(console, jsonOf({ key, bytes: Buffer.byteLength(value) }));
}

async function allOf({ input }: Console): Promise<Buffer> {
  if ((input as { readonly isTTY?: boolean }).isTTY === true) {
    throw new UsageError("put needs a value: as the second argument, or on standard input");
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_INPUT_BYTES) throw new UsageError(`standard input is longer than ${MAX_INPUT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
