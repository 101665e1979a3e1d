import { isPlainObject } from "../../config/field.js";
import { type Console, jsonOf, print } from "../console.js";
import { Failure, UsageError } from "../failure.js";
import type { StoreFlags } from "../settings.js";
import { withEngine } from "../with-engine.js";

export interface StatsFlags extends StoreFlags {
  readonly url?: string;
  readonly token?: string;
}

const ANSWER_TIMEOUT_MS = 5000;

/** The figures of a running service by its admin server, else those of the store itself. */
export async function statsCommand(console: Console, flags: StatsFlags): Promise<void> {
  // A flag wins over a variable.
  const url = flags.url ?? (flags.backend === undefined ? console.environment.MILLRACE_URL : undefined);
  const figures =
    url === undefined || url === "" ? await storeFigures(console, flags) : await remote(console, url, flags);
  if (flags.json === true) return print(console, jsonOf(figures));
  const rows = flattened(figures, "");
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  await print(console, rows.map(([name, value]) => `${name.padEnd(width + 2)}${value}`).join("\n"));
}

async function storeFigures(console: Console, flags: StatsFlags): Promise<Record<string, unknown>> {
  return withEngine(console, flags, async (engine) => {
    const { healthy, backend, latencyMs, detail } = await engine.healthCheck();
    const [keys, memoryBytes, server] = await Promise.all([engine.count(), engine.memoryUsage(), engine.serverInfo()]);
    return { backend, healthy, detail, latencyMs: Number(latencyMs.toFixed(3)), keys, memoryBytes, server };
  });
}

async function remote(console: Console, url: string, flags: StatsFlags): Promise<Record<string, unknown>> {
  const token = flags.token ?? console.environment.MILLRACE_ADMIN_TOKEN;
  const place = placeOf(url);
  const response = await fetch(new URL("/stats", place), {
    headers: token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` },
    redirect: "error",
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  }).catch((error: Error) => {
    const cause = (error.cause as NodeJS.ErrnoException | undefined)?.code ?? error.name;
    throw new Failure(`no admin server answers at ${place.origin} (${cause})`);
  });
  if (response.status === 401) throw new Failure(`${place.origin} asks for a token: --token or MILLRACE_ADMIN_TOKEN`);
  if (!response.ok) throw new Failure(`${place.origin} answered ${response.status}`);
  const figures: unknown = await response.json().catch(() => undefined);
  if (!isPlainObject(figures)) throw new Failure(`${place.origin} is no admin server: /stats is not what one answers`);
  return figures;
}

function placeOf(url: string): URL {
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return new URL(url);
  throw new UsageError("--url must be the address of an admin server, such as http://127.0.0.1:9464");
}

function flattened(value: unknown, path: string): [name: string, value: string][] {
  if (typeof value !== "object" || value === null) return [[path, String(value)]];
  return Object.entries(value).flatMap(([name, below]) => flattened(below, path === "" ? name : `${path}.${name}`));
}
