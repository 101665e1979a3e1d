import { randomBytes } from "node:crypto";
import { StateError } from "../../core/errors.js";
import type { Engine } from "../../engine/engine-contract.js";
import { createEngine } from "../../engine/open-engine.js";
import { type EngineOptions, parseEngineOptions, redactEngineOptions } from "../../engine/options.js";
import { type Console, jsonOf, print } from "../console.js";
import { Failure } from "../failure.js";
import { readSettings, type StoreFlags } from "../settings.js";

type Verdict = "ok" | "warning" | "failed";

interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  readonly detail: string;
}

const PROBE_TTL_MS = 60_000;
const MARKS: Readonly<Record<Verdict, string>> = { ok: "ok      ", warning: "warning ", failed: "FAILED  " };

/** Tries everything that a service would need of its store, and says what is wrong or unwise. */
export async function doctorCommand(console: Console, flags: StoreFlags): Promise<void> {
  const findings: Finding[] = [];
  const { engine: options } = await readSettings(console, flags);
  const shown = redactEngineOptions(parseEngineOptions(options)) as { readonly backend: string };
  findings.push({ check: "options", verdict: "ok", detail: `valid; backend ${shown.backend}` });
  findings.push({ check: "node", verdict: "ok", detail: `${process.version} on ${process.platform} ${process.arch}` });
  const engine = await opened(options, findings);
  if (engine !== undefined) {
    try {
      await examine(engine, findings);
    } finally {
      await engine.close();
    }
  }
  const failed = findings.filter(({ verdict }) => verdict === "failed").length;
  if (flags.json === true) await print(console, jsonOf({ ok: failed === 0, findings, options: shown }));
  else await print(console, findings.map((finding) => lineOf(finding)).join("\n"));
  if (failed > 0) throw new Failure(`${failed} of ${findings.length} checks failed`);
}

async function opened(options: EngineOptions, findings: Finding[]): Promise<Engine | undefined> {
  const startedMs = performance.now();
  try {
    const engine = await createEngine(options);
    findings.push({ check: "connect", verdict: "ok", detail: `in ${msSince(startedMs)}` });
    return engine;
  } catch (error) {
    findings.push({ check: "connect", verdict: "failed", detail: explained(error) });
    return undefined;
  }
}

async function examine(engine: Engine, findings: Finding[]): Promise<void> {
  await attempt(findings, "health", async () => {
    const { healthy, detail, latencyMs } = await engine.healthCheck();
    if (!healthy) throw new Failure(detail);
    return `${detail}; answers in ${latencyMs.toFixed(2)} ms`;
  });
  await attempt(findings, "write, read, delete", () => roundTrip(engine));
  await attempt(findings, "memory", async () => `${(await engine.memoryUsage()).toLocaleString("en-US")} bytes in use`);
  await attempt(findings, "settings", async () => {
    const advice = adviceOn(await engine.serverInfo());
    for (const detail of advice) findings.push({ check: "settings", verdict: "warning", detail });
    return advice.length === 0 ? "nothing to object to" : `${advice.length} to consider`;
  });
}

/** On a key of its own that expires by itself should this process end in between. */
async function roundTrip(engine: Engine): Promise<string> {
  const key = `millrace:doctor:${randomBytes(8).toString("hex")}`;
  const value = randomBytes(2048);
  const startedMs = performance.now();
  await engine.put(key, value, { ttlMs: PROBE_TTL_MS });
  const read = await engine.get(key);
  const existed = await engine.delete(key);
  if (read === null || !value.equals(read)) throw new Failure("what was read is not what was written");
  if (!existed || (await engine.contains(key))) throw new Failure("the key was not deleted");
  return `2 KiB in ${msSince(startedMs)}`;
}

/** What Redis and Valkey say of themselves that a service with state should know. */
function adviceOn(info: Readonly<Record<string, string>>): string[] {
  const advice: string[] = [];
  const policy = info.maxmemory_policy;
  if (policy !== undefined && policy !== "noeviction" && info.maxmemory !== "0") {
    advice.push(`maxmemory-policy is ${policy}: when memory is full, the server deletes state without saying so`);
  }
  if (info.aof_enabled === "0" && info.rdb_last_save_time !== undefined) {
    advice.push("appendonly is off: a crash of the server loses what was written since its last snapshot");
  }
  if (info.rdb_last_bgsave_status === "err") advice.push("the last snapshot failed (rdb_last_bgsave_status)");
  if (info.role === "slave") advice.push("this is a replica: writes will be refused");
  return advice;
}

async function attempt(findings: Finding[], check: string, work: () => Promise<string>): Promise<void> {
  try {
    const detail = await work();
    findings.push({ check, verdict: "ok", detail });
  } catch (error) {
    findings.push({ check, verdict: "failed", detail: explained(error) });
  }
}

function explained(error: unknown): string {
  if (error instanceof StateError) return `${error.message} (${error.reason ?? error.code})`;
  return error instanceof Error ? error.message : String(error);
}

function lineOf({ check, verdict, detail }: Finding): string {
  return `${MARKS[verdict]}${check}: ${detail}`;
}

function msSince(startedMs: number): string {
  return `${(performance.now() - startedMs).toFixed(1)} ms`;
}
