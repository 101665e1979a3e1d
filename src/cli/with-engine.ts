import type { Engine } from "../engine/engine-contract.js";
import { createEngine } from "../engine/open-engine.js";
import type { Console } from "./console.js";
import { readSettings, type StoreFlags } from "./settings.js";

/** Opens the store that the flags name, works with it, and closes it whatever happens. */
export async function withEngine<T>(
  console: Console,
  flags: StoreFlags,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  const { engine: options } = await readSettings(console, flags);
  const engine = await createEngine(options);
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}
