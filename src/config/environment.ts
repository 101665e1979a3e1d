import { type Field, type Fields, isPlainObject, pathOf, refuse, shown } from "./field.js";
import { suggest } from "./suggest.js";

const SWITCH_WORDS: ReadonlyMap<string, boolean> = new Map([
  ...["true", "on", "1"].map((word) => [word, true] as const),
  ...["false", "off", "0"].map((word) => [word, false] as const),
]);

/** Variables by name, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** One option that a variable sets. */
export interface VariableSetting {
  readonly variable: string;
  /** The option's path, such as `batching.maxSize`. */
  readonly path: string;
  /** As the option table takes it; not checked yet. */
  readonly value: unknown;
}

/** `batching.maxSize` behind `MILLRACE_` is `MILLRACE_BATCHING_MAX_SIZE`. */
export function variableOf(prefix: string, path: string): string {
  return (
    prefix +
    path
      .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
      .replaceAll(".", "_")
      .toUpperCase()
  );
}

/**
 * The options of a table that variables set. An empty variable counts as absent, since shells and orchestrators cannot
 * easily take one away.
 *
 * @throws ConfigError when a text cannot stand for the option's type
 */
export function settingsFromVariables(fields: Fields, environment: Environment, prefix: string): VariableSetting[] {
  return optionsBelow(fields, "").flatMap(({ path, field }) => {
    const variable = variableOf(prefix, path);
    const text = environment[variable];
    if (text === undefined || text === "") return [];
    return [{ variable, path, value: parsed(field, text, variable) }];
  });
}

/**
 * Variables that look like a mistyped option, with the name that was probably meant. Others may share the prefix (an
 * orchestrator makes variables out of the names of its services), so nothing is refused for being unknown.
 */
export function mistypedVariables(fields: Fields, environment: Environment, prefix: string): Map<string, string> {
  const known = optionsBelow(fields, "").map(({ path }) => variableOf(prefix, path));
  const found = new Map<string, string>();
  for (const name of Object.keys(environment)) {
    if (!name.startsWith(prefix) || known.includes(name)) continue;
    const near = suggest(
      name.slice(prefix.length),
      known.map((candidate) => candidate.slice(prefix.length)),
    );
    if (near !== undefined) found.set(name, prefix + near);
  }
  return found;
}

interface OptionAt {
  readonly path: string;
  readonly field: Field<unknown, unknown>;
}

/** Every option that one variable can set: those in a list have no names of their own, and some no text. */
function optionsBelow(fields: Fields, parent: string): OptionAt[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = pathOf(parent, name);
    if (field.codeOnly === true) return [];
    if (field.fields === undefined || field.type.startsWith("list of")) return [{ path, field }];
    const below = optionsBelow(field.fields, path);
    return field.type === "group" ? below : [{ path, field }, ...below];
  });
}

function parsed({ type }: Field<unknown, unknown>, text: string, variable: string): unknown {
  if (text === "null" && type.endsWith("| null")) return null;
  if (/^(integer|number)/.test(type)) return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : text;
  if (type === "boolean" || type === "group | false") {
    const isOn = SWITCH_WORDS.get(text.toLowerCase());
    if (isOn === undefined) return refuse(variable, `must be on or off; got ${shown(text)}`);
    return isOn && type === "group | false" ? {} : isOn;
  }
  if (type === "list of URL") return text.split(",").map((item) => item.trim());
  if (type.startsWith("list of")) return parsedJson(text, variable, "a JSON array", Array.isArray);
  if (type.startsWith("names to")) return parsedJson(text, variable, "a JSON object", isPlainObject);
  return text === "false" && /\| false$/.test(type) ? false : text;
}

function parsedJson(text: string, variable: string, what: string, fits: (value: unknown) => boolean): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (fits(value)) return value;
  } catch {
    // Refused below, without the parser's message: it repeats the text.
  }
  return refuse(variable, `must be ${what}`);
}
