import { readFile } from "node:fs/promises";
import { parseTomlFile } from "../../src/config/toml-file.js";
import { whyUnreadable } from "../../src/config/unreadable-file.js";
import { type EngineOptions, readEngineOptions, StateError } from "../../src/index.js";
import { UsageError } from "./usage-error.js";

export interface MillraceSettings {
  /** Where to measure; null: what the bench finds. */
  readonly backend: string | null;
  /** All options but the store's address. */
  readonly engine: EngineOptions;
}

/**
 * What `--config` and `--backend` say of the subject millrace: the file is the one that the other commands read, and the
 * flag wins.
 *
 * @param fallback the store if neither names one; it is known here because some options are for some stores only
 * @throws UsageError that names the option and what is wrong with it, or why the file cannot be read
 */
export async function readMillraceSettings(
  { config, backend }: { readonly config: string | null; readonly backend: string | null },
  fallback: string | undefined,
): Promise<MillraceSettings> {
  if (config === null) return { backend, engine: {} };
  const text = await textOf(config);
  try {
    const settings = parseTomlFile(config, text);
    const store = backend ?? (settings.backend === undefined ? fallback || null : null);
    const read = readEngineOptions({
      file: { name: config, settings },
      options: store === null ? undefined : { backend: store },
      nameOf: () => (backend === null ? "MILLRACE_REDIS_URL" : "--backend"),
    });
    const { backend: named, ...engine } = read;
    return { backend: typeof named === "string" ? named : null, engine };
  } catch (error) {
    throw error instanceof StateError ? new UsageError(error.message) : error;
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(whyUnreadable(path, error));
  }
}
