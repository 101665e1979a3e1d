import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Environment } from "./report.js";

export interface EnvironmentInput {
  readonly redis: string | null;
  readonly backend: string;
  readonly packages: readonly string[];
  readonly settings: Environment["settings"];
}

/** Everything without which the figures mean nothing. */
export async function stampEnvironment(input: EnvironmentInput): Promise<Environment> {
  const processors = cpus();
  const peers: Record<string, string> = {};
  for (const name of new Set(input.packages)) peers[name] = await versionOf(name);
  return {
    millrace: await ownVersion(),
    commit: await commit(),
    date: new Date().toISOString(),
    node: process.version,
    v8: process.versions.v8,
    cpus: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${type()} ${release()}`,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    otherLoad: null,
    redis: input.redis,
    backend: input.backend,
    peers,
    settings: input.settings,
  };
}

async function packageVersion(file: string, name: string): Promise<string | null> {
  const text = await readFile(file, "utf8").catch(() => null);
  if (text === null) return null;
  const manifest = JSON.parse(text) as { name?: string; version?: string };
  return manifest.name === name ? (manifest.version ?? null) : null;
}

/** Read where it lies, because many packages do not export their package.json and some have no entry for Node.js. */
async function versionOf(name: string): Promise<string> {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    const version = await packageVersion(join(folder, name, "package.json"), name);
    if (version !== null) return version;
  }
  return "unknown";
}

async function ownVersion(): Promise<string> {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = resolve(folder, "..")) {
    const version = await packageVersion(join(folder, "package.json"), "millrace");
    if (version !== null) return version;
    if (folder === dirname(folder)) return "unknown";
  }
}

async function commit(): Promise<string | null> {
  const folder = dirname(fileURLToPath(import.meta.url));
  return promisify(execFile)("git", ["rev-parse", "--short=12", "HEAD"], { cwd: folder }).then(
    (output) => output.stdout.trim(),
    () => null, // an installed package has no repository
  );
}
