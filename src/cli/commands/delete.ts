import { type Console, jsonOf, print } from "../console.js";
import type { StoreFlags } from "../settings.js";
import { withEngine } from "../with-engine.js";

/** Deletes the keys and says how many there were; a key that was not there is no failure. */
export async function deleteCommand(console: Console, keys: readonly string[], flags: StoreFlags): Promise<void> {
  const deleted = await withEngine(console, flags, (engine) => engine.batchDelete(keys));
  const text = `${deleted} of ${keys.length} deleted`;
  await print(console, flags.json === true ? jsonOf({ deleted, asked: keys.length }) : text);
}
