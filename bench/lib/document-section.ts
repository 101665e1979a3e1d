import { readFileSync, writeFileSync } from "node:fs";

/** Replaces what stands between `<!-- name:begin -->` and `<!-- name:end -->`. @throws Error when they are not there */
export function writeSection(file: string, name: string, content: string): void {
  const text = readFileSync(file, "utf8");
  const begin = `<!-- ${name}:begin -->`;
  const from = text.indexOf(begin);
  const until = text.indexOf(`<!-- ${name}:end -->`);
  if (from < 0 || until < from) throw new Error(`${file} has no ${begin} … with its end`);
  writeFileSync(file, `${text.slice(0, from)}${begin}\n${content}\n${text.slice(until)}`);
}

export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}
