import { parseArgs } from "node:util";
import { hintAt } from "./mistyped.js";
import { parseSlo, type Slo } from "./slo.js";
import { UsageError } from "./usage-error.js";

export interface BenchOptions {
  /** null: all cells, the trace and the targets; the other parts run only when they are named. */
  readonly workloads: readonly string[] | null;
  /** null: all. */
  readonly peers: readonly string[] | null;
  /** null: closed loop. */
  readonly ratePerSec: number | null;
  /** null: rounds of the usual length. */
  readonly durationS: number | null;
  readonly trace: string | null;
  readonly backend: string | null;
  /** A TOML file with the options of the engines that are the subject millrace; null: the defaults. */
  readonly config: string | null;
  readonly slos: readonly Slo[];
  readonly baseline: string | null;
  /** A fraction: 0.1 allows ten percent. */
  readonly maxRegression: number;
  readonly json: string | null;
  readonly html: string | null;
  readonly junit: string | null;
  readonly quick: boolean;
  readonly check: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

const DEFAULT_MAX_REGRESSION = 0.1;
const MAX_RATE = 10_000_000;
const MAX_DURATION_S = 86_400;
/** What stands behind these without an option of its own belongs to them: `--peers ioredis node-redis`. */
const LISTS = ["workload", "peers", "slo"];

const OPTIONS = {
  workload: { type: "string", multiple: true },
  peers: { type: "string", multiple: true },
  slo: { type: "string", multiple: true },
  rate: { type: "string" },
  duration: { type: "string" },
  trace: { type: "string" },
  backend: { type: "string", short: "b" },
  config: { type: "string", short: "c" },
  baseline: { type: "string" },
  "max-regression": { type: "string" },
  json: { type: "string" },
  html: { type: "string" },
  junit: { type: "string" },
  quick: { type: "boolean" },
  check: { type: "boolean" },
  list: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** @throws UsageError */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values, tokens } = parse(args);
  const lists: Record<string, string[]> = { workload: [], peers: [], slo: [] };
  let open: string | null = null;
  for (const token of tokens) {
    if (token.kind === "option") {
      open = LISTS.includes(token.name) ? token.name : null;
      if (open !== null) lists[open]!.push(token.value ?? "");
    } else if (token.kind === "positional") {
      if (open === null) throw new UsageError(`unexpected argument ${JSON.stringify(token.value)}`);
      lists[open]!.push(token.value);
    }
  }
  const names = (list: string[]): string[] | null => {
    const all = list
      .flatMap((item) => item.split(","))
      .map((item) => item.trim())
      .filter((item) => item !== "");
    return all.length === 0 ? null : all;
  };
  if (values["max-regression"] !== undefined && values.baseline === undefined) {
    throw new UsageError("--max-regression needs --baseline FILE");
  }
  if (values.check === true && (lists.slo!.length > 0 || values.baseline !== undefined)) {
    throw new UsageError("--check measures nothing that --slo or --baseline could be held against");
  }
  return {
    workloads: names(lists.workload!),
    peers: names(lists.peers!),
    ratePerSec: positive("rate", values.rate, MAX_RATE),
    durationS: positive("duration", values.duration, MAX_DURATION_S),
    trace: values.trace ?? null,
    backend: values.backend ?? null,
    config: values.config ?? null,
    slos: lists.slo!.map(parseSlo),
    baseline: values.baseline ?? null,
    maxRegression: fraction(values["max-regression"]),
    json: values.json ?? null,
    html: values.html ?? null,
    junit: values.junit ?? null,
    quick: values.quick ?? false,
    check: values.check ?? false,
    list: values.list ?? false,
    help: values.help ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true, tokens: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Node.js names it in quotes, short options in groups one by one.
    const option = code === "ERR_PARSE_ARGS_UNKNOWN_OPTION" ? /'(-[^']*)'/.exec(message)?.[1] : undefined;
    if (option === undefined) throw new UsageError(message);
    const hint = hintAt(option.replace(/^-+/, ""), Object.keys(OPTIONS), "--help shows them all", "--");
    throw new UsageError(`there is no option ${option}; ${hint}`);
  }
}

function positive(name: string, text: string | undefined, max: number): number | null {
  if (text === undefined) return null;
  const match = /^(\d+(?:\.\d+)?)(k|M|s)?$/.exec(text.trim().replaceAll("_", ""));
  const unit = match?.[2];
  const amount = Number(match?.[1]) * (unit === "k" ? 1e3 : unit === "M" ? 1e6 : 1);
  const wrongUnit = unit !== undefined && (unit === "s") !== (name === "duration");
  if (!(amount > 0 && amount <= max) || wrongUnit) {
    throw new UsageError(`--${name} must be a number above 0, at most ${max}; got ${JSON.stringify(text)}`);
  }
  return amount;
}

function fraction(text: string | undefined): number {
  if (text === undefined) return DEFAULT_MAX_REGRESSION;
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text.trim());
  const percent = Number(match?.[1]);
  if (!(percent >= 0 && percent <= 100)) {
    throw new UsageError(`--max-regression must be a percentage such as 10%; got ${JSON.stringify(text)}`);
  }
  return percent / 100;
}
