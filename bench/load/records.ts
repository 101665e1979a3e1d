import { below, pick, type Random } from "../lib/rng.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const EVENT_TYPES = ["telemetry.reported", "telemetry.corrected", "device.heartbeat"];
const SITES = ["hamburg-2", "lyon-1", "austin-4", "pune-1", "osaka-3"];
const METRICS = ["cpu.load", "memory.load", "disk.load"];
const NOTE = "reported by the gateway ";

export type ValueSize = "100B" | "1KiB" | "16KiB";
export const VALUE_BYTES: Record<ValueSize, number> = { "100B": 100, "1KiB": 1024, "16KiB": 16_384 };

function token(random: Random, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) text += LETTERS[below(random, LETTERS.length)];
  return text;
}

/** A device reports its metrics in the same order every time. */
function reading(random: Random, index: number): object {
  const metric = index % METRICS.length;
  return {
    metric: METRICS[metric],
    unit: "percent",
    value: below(random, 1000) / 10,
    status: random() < 0.97 ? "ok" : "late",
  };
}

/** An event as a stream of telemetry has it: the same fields every time, other values. */
function event(random: Random): Record<string, unknown> {
  return {
    id: `evt-${below(random, 1e9)}`,
    type: pick(random, EVENT_TYPES),
    version: 3,
    occurredAt: new Date(1_760_000_000_000 + below(random, 1e10)).toISOString(),
    device: { id: `dev-${below(random, 20_000)}`, site: pick(random, SITES), firmware: `4.${below(random, 20)}.1` },
    readings: [],
  };
}

/** A JSON text of exactly `bytes` ASCII characters, the last field taking up what is left over. */
export function jsonRecord(random: Random, bytes: number): string {
  const record: Record<string, unknown> = bytes < 4096 ? event(random) : { page: below(random, 1e6), events: [] };
  const list = (bytes < 4096 ? record.readings : record.events) as object[];
  const next =
    bytes < 4096
      ? reading
      : (source: Random) => ({
          ...event(source),
          readings: Array.from({ length: 12 }, (_, index) => reading(source, index)),
        });
  record.note = "";
  let length = JSON.stringify(record).length;
  for (;;) {
    const addition = next(random, list.length);
    length += JSON.stringify(addition).length + 1;
    if (length > bytes) break;
    list.push(addition);
  }
  const rest = bytes - JSON.stringify(record).length;
  record.note = NOTE.repeat(Math.ceil(rest / NOTE.length)).slice(0, rest);
  return JSON.stringify(record);
}

/** Distinct values of one size. 100 B values are text without structure, the larger ones JSON records. */
export function makeValues(random: Random, size: ValueSize, count: number): string[] {
  const values = new Set<string>();
  while (values.size < count) {
    const value = size === "100B" ? token(random, 100) : jsonRecord(random, VALUE_BYTES[size]);
    // A round trip makes it one flat run of bytes in memory, as values have that come from elsewhere.
    values.add(Buffer.from(value, "latin1").toString("latin1"));
  }
  return [...values];
}
