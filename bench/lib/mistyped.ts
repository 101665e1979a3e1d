import { suggest } from "../../src/config/suggest.js";

/** What to do about a name that does not exist: the one that was likely meant, or where they all are. */
export function hintAt(name: string, known: readonly string[], whereAllAre: string, prefix = ""): string {
  const near = suggest(name, known);
  return near === undefined ? whereAllAre : `did you mean ${prefix}${near}?`;
}
