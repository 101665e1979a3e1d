import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout: the compiled tests lie some folders below it, in whatever folder they were compiled into. */
export const ROOT = findRoot();

function findRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package-lock.json"))) return folder;
    if (folder === dirname(folder)) throw new Error("no checkout around the compiled tests");
  }
}

/** A compiled file, by the path of its source with the ending .js. */
export function compiledPath(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

/** The text of a document, by its path below the checkout. */
export function readDocument(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** What stands between `<!-- name:begin -->` and `<!-- name:end -->`. */
export function section(text: string, name: string): string {
  const { from, to } = boundsOf(text, name);
  return text.slice(from, to);
}

/** The text with other content in that section. */
export function withSection(text: string, name: string, content: string): string {
  const { from, to } = boundsOf(text, name);
  return text.slice(0, from) + content + text.slice(to);
}

function boundsOf(text: string, name: string): { from: number; to: number } {
  const begin = `<!-- ${name}:begin -->\n`;
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(`<!-- ${name}:end -->`);
  if (from < begin.length || to < from) throw new Error(`there is no section ${name}`);
  return { from, to };
}

/** The rows of a table, its two head lines left out, as cells without backticks around them. */
export function tableRows(text: string): string[][] {
  const lines = text.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .slice(1, line.lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim().replace(/^`(.*)`$/, "$1")),
  );
}
