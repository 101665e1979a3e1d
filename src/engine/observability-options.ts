import type { Logger } from "../backends/contract.js";
import { OPERATION_NAMES } from "../backends/request.js";
import { type Field, missingMethod, refuse, shown } from "../config/field.js";
import { group, list, record, switchable } from "../config/group.js";
import { integer, number, oneOf, string } from "../config/scalars.js";
import { MAX_DELAY_MS } from "./option-limits.js";

const LOGGER_METHODS = ["debug", "info", "warn", "error"];

const ignore = (): void => {};
const silentLogger: Logger = Object.freeze({ debug: ignore, info: ignore, warn: ignore, error: ignore });

/** The engine logs in the middle of its work, which must not end because a line cannot be written. */
function guarded(given: Logger): Logger {
  let isReported = false;
  const method =
    (level: keyof Logger) =>
    (details: object, message: string): void => {
      try {
        given[level](details, message);
      } catch (error) {
        if (isReported) return;
        isReported = true;
        process.emitWarning(`the engine's logger threw, its lines may be lost: ${String(error)}`, {
          code: "MILLRACE_LOGGER",
          detail: error instanceof Error ? (error.stack ?? "") : "",
        });
      }
    };
  return Object.freeze({ debug: method("debug"), info: method("info"), warn: method("warn"), error: method("error") });
}

export const logger: Field<Logger> = {
  fallback: silentLogger,
  type: "Logger",
  limits: "methods debug, info, warn and error, called with (details, message) as pino's",
  unit: "",
  doc: "Receives the engine's log lines; values and passwords never enter them. Given in code only.",
  codeOnly: true,
  read(received, path) {
    const missing = missingMethod(received, LOGGER_METHODS);
    if (missing === undefined) return guarded(received as Logger);
    return refuse(path, `must be a logger like pino's; got ${shown(received)} without ${missing}()`);
  },
  show: (value) => (value === silentLogger ? "silent" : "given"),
};

export const slowLog = switchable(
  group(
    {
      thresholdMs: number({
        min: 0,
        max: MAX_DELAY_MS,
        default: 100,
        unit: "ms",
        doc: "Operations that take longer are kept.",
      }),
      capacity: integer({
        min: 1,
        max: 100_000,
        default: 128,
        unit: "operations",
        doc: "How many of the latest are kept, and how many of the slowest.",
      }),
    },
    { doc: "Memory of slow operations; false: none." },
  ),
  { default: "on" },
);

const objectives = list(
  group(
    {
      operation: oneOf([...OPERATION_NAMES, "batchGet", "batchPut", "batchDelete"], {
        default: "get",
        doc: "Which operation.",
      }),
      percentile: number({ min: 1, max: 100, default: 99, doc: "Which percentile of its latency." }),
      latencyMs: number({ min: 0.001, max: MAX_DELAY_MS, default: 1, unit: "ms", doc: "What it must stay below." }),
    },
    { doc: "One objective." },
  ),
  { max: 100, doc: "Latency objectives that slo() reports on." },
);

export const slo: typeof objectives = {
  ...objectives,
  read(received, path) {
    const read = objectives.read(received, path);
    const known = new Set<string>();
    for (const [index, { operation, percentile, latencyMs }] of read.entries()) {
      const mark = `${operation} p${percentile} <= ${latencyMs} ms`;
      if (known.has(mark)) return refuse(`${path}[${index}]`, `must differ from the others; ${mark} is there already`);
      known.add(mark);
    }
    return read;
  },
};

export const metrics = switchable(
  group(
    {
      prefix: string({
        default: "state_",
        maxBytes: 64,
        pattern: { regex: /^[a-zA-Z_:][a-zA-Z0-9_:]*$/, meaning: "letters, digits, _ and :, no digit first" },
        doc: "Stands before every metric name.",
      }),
      labels: record(string({ default: "", maxBytes: 256, doc: "Value of the label." }), {
        name: {
          regex: /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/,
          meaning: "letters, digits and _, no digit and no __ first",
        },
        doc: "Labels that every metric carries.",
      }),
    },
    { doc: "Prometheus metrics; false: none." },
  ),
  { default: "on" },
);
