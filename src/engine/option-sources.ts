import { type Environment, mistypedVariables, settingsFromVariables } from "../config/environment.js";
import { isPlainObject } from "../config/field.js";
import { LayeredSettings, nested } from "../config/layers.js";
import { parseTomlFile } from "../config/toml-file.js";
import { type EngineOptions, engineOptionFields, parseEngineOptions } from "./options.js";

export const VARIABLE_PREFIX = "MILLRACE_";

/** Objects that are options as they are: a driver, a logger, labels of which the last word counts. */
const WHOLE_OPTIONS: readonly string[] = ["backend", "logger", "metrics.labels"];

/** Where options may stand; what comes later here wins, option by option. */
export interface OptionSources {
  /**
   * A TOML file whose names are those of the options: its text, or what has been read from it already. Its table
   * `[admin]`, which is for `millrace serve`, is passed over.
   */
  readonly file?:
    | { readonly name: string; readonly text: string }
    | { readonly name: string; readonly settings: Readonly<Record<string, unknown>> }
    | undefined;
  /** Variables such as `MILLRACE_BATCHING_MAX_SIZE`, usually `process.env`. */
  readonly environment?: Environment | undefined;
  readonly options?: EngineOptions | undefined;
  /** What messages call the place of such an option. Default: the options given. */
  readonly nameOf?: ((path: string) => string) | undefined;
}

/**
 * The engine's options from a file, from variables and from code, for `createEngine`.
 *
 * @throws ConfigError (reason `ERR_CONFIG`) that names the option, what is wrong with it and where it comes from
 */
export function readEngineOptions(sources: OptionSources): EngineOptions {
  const { file, environment = {}, options = {}, nameOf = () => "the options given" } = sources;
  const variables = settingsFromVariables(engineOptionFields, environment, VARIABLE_PREFIX);
  const layers = new LayeredSettings(
    [
      ...(file === undefined ? [] : [{ nameOf: () => file.name, settings: settingsOf(file) }]),
      {
        nameOf: (path) => variables.find((setting) => isWithin(setting.path, path))?.variable ?? path,
        settings: nested(variables.map(({ path, value }) => [path, value])),
      },
      { nameOf, settings: options as Record<string, unknown> },
    ],
    WHOLE_OPTIONS,
  );
  layers.read((settings) => parseEngineOptions(settings as EngineOptions));
  return layers.settings as EngineOptions;
}

/** Without the table `[admin]`: the same file may serve `millrace serve`, which reads it. */
function settingsOf(file: NonNullable<OptionSources["file"]>): Readonly<Record<string, unknown>> {
  const all = "settings" in file ? file.settings : parseTomlFile(file.name, file.text);
  if (!isPlainObject(all.admin)) return all;
  const { admin: _, ...settings } = all;
  return settings;
}

function isWithin(path: string, group: string): boolean {
  return path === group || path.startsWith(`${group}.`);
}

/** Variables that look like mistyped options, with what was probably meant. */
export function mistypedOptionVariables(environment: Environment): Map<string, string> {
  return mistypedVariables(engineOptionFields, environment, VARIABLE_PREFIX);
}
