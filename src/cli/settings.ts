import { readFile } from "node:fs/promises";
import { type AdminServerOptions, adminOptionFields, parseAdminOptions } from "../admin/admin-options.js";
import { mistypedVariables, settingsFromVariables } from "../config/environment.js";
import { isPlainObject } from "../config/field.js";
import { LayeredSettings, nested } from "../config/layers.js";
import { parseTomlFile } from "../config/toml-file.js";
import { whyUnreadable } from "../config/unreadable-file.js";
import { ConfigError } from "../core/errors.js";
import { mistypedOptionVariables, readEngineOptions, VARIABLE_PREFIX } from "../engine/option-sources.js";
import type { EngineOptions } from "../engine/options.js";
import { type Console, complain } from "./console.js";
import { UsageError } from "./failure.js";

/** The section of the file that is for `serve` and not for the engine. */
const ADMIN_SECTION = "admin";
const ADMIN_PREFIX = `${VARIABLE_PREFIX}ADMIN_`;
/** What the tests, the bench and this command itself understand beside the options. */
const OTHER_VARIABLES =
  /^MILLRACE_(CONFIG|URL|TOKEN|ADMIN_.*|REDIS_.*|POSTGRES_.*|REQUIRE_SERVERS|COMPOSE_.*|BENCH_.*)$/;

/** Flags that every command on a store has. */
export interface StoreFlags {
  readonly backend?: string;
  readonly config?: string;
  readonly keyPrefix?: string;
  readonly json?: boolean;
}

export interface Settings {
  readonly engine: EngineOptions;
  readonly admin: AdminServerOptions;
}

/**
 * Reads all settings; a flag wins over a variable, a variable over the file, the file over the default.
 *
 * @param adminFlags of a command that serves; for others the admin server's settings, whatever they are, mean nothing
 */
export async function readSettings(
  console: Console,
  flags: StoreFlags,
  adminFlags?: AdminServerOptions,
): Promise<Settings> {
  const { environment } = console;
  const path = flags.config ?? environment.MILLRACE_CONFIG;
  const file = path === undefined || path === "" ? undefined : { name: path, text: await textOf(path) };
  const { [ADMIN_SECTION]: section, ...engineSettings } = file === undefined ? {} : parseTomlFile(file.name, file.text);
  for (const [name, meant] of mistypedOptionVariables(environment)) {
    if (!OTHER_VARIABLES.test(name))
      complain(console, `millrace: ${name} is not known and has no effect; did you mean ${meant}?`);
  }
  const engine = readEngineOptions({
    ...(file === undefined ? {} : { file: { name: file.name, settings: engineSettings } }),
    environment,
    options: {
      ...(flags.backend === undefined ? {} : { backend: flags.backend }),
      ...(flags.keyPrefix === undefined ? {} : { keyPrefix: flags.keyPrefix }),
    },
    nameOf: (path) => (path === "keyPrefix" ? "--key-prefix" : `--${path}`),
  });
  const admin = adminFlags === undefined ? {} : adminSettings(console, file?.name ?? "", section, adminFlags);
  return { engine, admin };
}

function adminSettings(
  console: Console,
  fileName: string,
  section: unknown,
  flags: AdminServerOptions,
): AdminServerOptions {
  const { environment } = console;
  if (section !== undefined && !isPlainObject(section)) {
    throw new ConfigError(`${ADMIN_SECTION}: must be a section (from ${fileName})`, { reason: "ERR_CONFIG" });
  }
  for (const [name, meant] of mistypedVariables(adminOptionFields, environment, ADMIN_PREFIX)) {
    complain(console, `millrace: ${name} is not known and has no effect; did you mean ${meant}?`);
  }
  const variables = settingsFromVariables(adminOptionFields, environment, ADMIN_PREFIX);
  const layers = new LayeredSettings([
    { nameOf: () => `[${ADMIN_SECTION}] of ${fileName}`, settings: section ?? {} },
    {
      nameOf: (path) => variables.find((setting) => setting.path === path)?.variable ?? path,
      settings: nested(variables.map(({ path, value }) => [path, value])),
    },
    { nameOf: (path) => `--${path}`, settings: flags as Record<string, unknown> },
  ]);
  layers.read((settings) => parseAdminOptions(settings));
  return layers.settings;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(whyUnreadable(path, error));
  }
}
