import { refuse } from "./field.js";

/**
 * @param what for messages, such as "the user name"
 * @throws ConfigError that does not repeat the text, which may be a password
 */
export function decodePercent(text: string, what: string, path: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(path, `${what} is not valid percent-encoding; write a "%" as %25`);
  }
}
