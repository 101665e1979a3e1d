import { setTimeout as delay } from "node:timers/promises";
import type { AdminServerOptions } from "../../admin/admin-options.js";
import { createAdminServer } from "../../admin/admin-server.js";
import type { Engine } from "../../engine/engine-contract.js";
import { createEngine } from "../../engine/open-engine.js";
import { type Console, complain, jsonOf, print } from "../console.js";
import { readSettings, type StoreFlags } from "../settings.js";
import { untilStopped } from "../stop-signal.js";

export interface ServeFlags extends StoreFlags {
  readonly host?: string;
  readonly port?: number;
  /** commander's form of `--no-token`. */
  readonly token?: string | false;
  readonly title?: string;
  readonly probe?: number;
}

const DEFAULT_PORT = 9464;
const DEFAULT_PROBE_MS = 1000;
const PROBE_KEY = "millrace:probe";

/**
 * Serves the admin pages for a store until it is told to stop. Its engine has no callers but a probe, so the latencies
 * it shows are those of one small operation at a time.
 */
export async function serveCommand(console: Console, flags: ServeFlags): Promise<void> {
  const { engine: engineOptions, admin: adminOptions } = await readSettings(console, flags, adminFlagsOf(flags));
  const engine = await createEngine(engineOptions);
  try {
    await using admin = await createAdminServer(engine, { port: DEFAULT_PORT, ...adminOptions });
    const { backend, detail } = await engine.healthCheck();
    const said = { url: admin.url, backend, store: detail, pid: process.pid };
    await print(console, flags.json === true ? jsonOf(said) : `serving ${backend} (${detail}) at ${admin.url}`);
    const stop = new AbortController();
    const probing = probe(engine, flags.probe ?? DEFAULT_PROBE_MS, stop.signal);
    const signal = await untilStopped();
    if (flags.json !== true) complain(console, `millrace: ${signal}, closing`);
    stop.abort();
    await probing;
    // Closed first, so that /readyz says so while the last answers go out.
    await engine.close();
  } finally {
    await engine.close();
  }
}

/** Asks the store the same small question over and over; what fails is in the figures, which is what they are for. */
async function probe(engine: Engine, everyMs: number, signal: AbortSignal): Promise<void> {
  while (everyMs > 0 && !signal.aborted) {
    await engine.contains(PROBE_KEY).catch(() => false);
    await delay(everyMs, undefined, { signal }).catch(() => {});
  }
}

function adminFlagsOf({ host, port, token, title }: ServeFlags): AdminServerOptions {
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(title === undefined ? {} : { title }),
    // Absent, commander says true because of --no-token.
    ...(token === undefined || (token as unknown) === true ? {} : { token }),
  };
}
