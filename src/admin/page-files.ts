import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Answer } from "./answer.js";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The files of the live page by their path on the server. Read once: the server never opens a path a client named. */
export function readPageFiles(): ReadonlyMap<string, Answer> {
  const folder = fileURLToPath(new URL("./page/", import.meta.url));
  const files = new Map<string, Answer>();
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const path = name === "index.html" ? "/" : `/page/${name}`;
    files.set(path, { status: 200, type, body: readFileSync(join(folder, name)) });
  }
  return files;
}
