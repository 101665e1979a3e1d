import { type Console, jsonOf, print, readerHasLeft } from "../console.js";
import type { StoreFlags } from "../settings.js";
import { withEngine } from "../with-engine.js";

export interface KeysFlags extends StoreFlags {
  readonly limit?: number;
  readonly count?: boolean;
}

/** One key per line, as the store yields them; with `--json` each line is a JSON string. */
export async function keysCommand(console: Console, prefix: string | undefined, flags: KeysFlags): Promise<void> {
  await withEngine(console, flags, async (engine) => {
    if (flags.count === true) {
      const count = await engine.count(prefix);
      return print(console, flags.json === true ? jsonOf({ count }) : String(count));
    }
    let left = flags.limit ?? Number.POSITIVE_INFINITY;
    for await (const key of engine.keys(prefix)) {
      if (left-- <= 0 || readerHasLeft(console)) break;
      await print(console, flags.json === true ? jsonOf(key) : shownKey(key));
    }
  });
}

/** A key that is no text, or has a line break or a terminal's control codes in it, is written as a JSON string. */
function shownKey(key: string): string {
  return /\p{Cc}/u.test(key) || !key.isWellFormed() ? jsonOf(key) : key;
}
