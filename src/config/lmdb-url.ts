import { refuse } from "./field.js";
import { suggest } from "./suggest.js";

const PARAMETERS = ["name", "maxBytes"];
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const UNITS: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };
/** Below, the trees of an empty store would fill it. */
const SMALLEST_QUOTA = 2 ** 20;

/**
 * What stands behind `lmdb:`: the path of a directory, as it is, and behind a "?" parameters.
 *
 *   name       an environment of its own below the directory: its own file, writer, quota and backup
 *   maxBytes   quota: bytes, or with KiB, MiB, GiB, TiB
 *
 * @throws ConfigError
 */
export function parseLmdbUrl(rest: string, path: string): { path: string; maxBytes?: number } {
  const [directory, query] = split(rest.startsWith("//") ? rest.slice(2) : rest);
  if (directory === "" || directory.includes("\0")) {
    return refuse(path, '"lmdb:" must be followed by the path of a directory, such as lmdb:./state');
  }
  const given = new Map<string, string>();
  for (const [parameter, value] of new URLSearchParams(query)) {
    if (!PARAMETERS.includes(parameter)) {
      const near = suggest(parameter, PARAMETERS);
      return refuse(
        path,
        `lmdb: takes name and maxBytes behind "?"${near === undefined ? "" : `; did you mean ${near}?`}`,
      );
    }
    given.set(parameter, value);
  }
  const name = given.get("name");
  if (name !== undefined && !NAME.test(name)) {
    return refuse(path, "the name of an environment must be 1..64 letters, digits, dots, dashes and underscores");
  }
  const maxBytes = given.get("maxBytes");
  return {
    path: name === undefined ? directory : `${directory.replace(/\/+$/, "")}/${name}`,
    ...(maxBytes === undefined ? {} : { maxBytes: bytesOf(maxBytes, path) }),
  };
}

function split(text: string): [string, string] {
  const at = text.indexOf("?");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function bytesOf(text: string, path: string): number {
  const [, digits, unit] = /^(\d{1,15})(KiB|MiB|GiB|TiB|)$/.exec(text) ?? [];
  const bytes = digits === undefined ? Number.NaN : Number(digits) * UNITS[unit!]!;
  if (Number.isSafeInteger(bytes) && bytes >= SMALLEST_QUOTA) return bytes;
  return refuse(path, "maxBytes must be a whole number of bytes of 1 MiB or more, such as 10GiB");
}
