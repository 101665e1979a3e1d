import { parse, TomlError } from "smol-toml";
import { refuse } from "./field.js";

/**
 * The settings of a TOML file.
 *
 * @throws ConfigError with line and column; the line itself is left out, since it may hold a password
 */
export function parseTomlFile(name: string, text: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason = ""] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    return refuse(`${name}:${error.line}:${error.column}`, `this is no TOML: ${reason}`);
  }
}
