import { parseArgs } from "node:util";
import { UsageError } from "../lib/usage-error.js";
import { FAULT_KINDS, type FaultKind, REPLICA_FAULT_KINDS } from "./fault-kinds.js";

export interface ChaosOptions {
  readonly seed: number;
  readonly operations: number;
  readonly faults: number;
  readonly minutes: number;
  readonly kinds: readonly FaultKind[];
  readonly replicas: number;
  readonly json: string | null;
  /** Receives the figures between its markers. */
  readonly docs: string | null;
  readonly control: boolean;
  readonly help: boolean;
}

const DEFAULT_OPERATIONS = 10_000_000;
const DEFAULT_FAULTS = 1000;
const DEFAULT_MINUTES = 60;

export const HELP = `npm run chaos [-- options]

Millions of operations through faults of every kind; every key is checked against the server afterwards.
The run ends once both the operations and the faults are reached, or the minutes are over. Exit 1 on any violation.

  --ops N          operations (default ${DEFAULT_OPERATIONS})
  --faults N       faults (default ${DEFAULT_FAULTS})
  --minutes N      at most so long (default ${DEFAULT_MINUTES})
  --seed N         the schedule of faults and the load (default: a new one, printed)
  --only KIND,…    these faults alone: ${FAULT_KINDS.map(({ name }) => name).join(", ")}
  --replicas N     so many servers follow, and are read from; with faults of theirs:
                   ${REPLICA_FAULT_KINDS.map(({ name }) => name).join(", ")}
  --json FILE      the result
  --docs FILE      writes the figures between the markers of this document
  --no-control     leaves out the run of ioredis with its defaults`;

/** @throws UsageError */
export function parseChaosOptions(args: readonly string[]): ChaosOptions {
  const { values } = parse(args);
  const replicas = values.replicas === undefined ? 0 : whole("replicas", values.replicas, 0);
  const known = replicas === 0 ? FAULT_KINDS : [...FAULT_KINDS, ...REPLICA_FAULT_KINDS];
  return {
    replicas,
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : whole("seed", values.seed, 0),
    operations: values.ops === undefined ? DEFAULT_OPERATIONS : whole("ops", values.ops, 1),
    faults: values.faults === undefined ? DEFAULT_FAULTS : whole("faults", values.faults, 0),
    minutes: values.minutes === undefined ? DEFAULT_MINUTES : positive("minutes", values.minutes),
    kinds: values.only === undefined ? known : kindsOf(values.only, known),
    json: values.json ?? null,
    docs: values.docs ?? null,
    control: values["no-control"] !== true,
    help: values.help === true,
  };
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = {
    ops: text,
    faults: text,
    minutes: text,
    seed: text,
    only: text,
    replicas: text,
    json: text,
    docs: text,
    "no-control": flag,
    help: { type: "boolean", short: "h" },
  } as const;
  try {
    return parseArgs({ args: [...args], options, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function kindsOf(list: string, known: readonly FaultKind[]): readonly FaultKind[] {
  return list.split(",").map((name) => {
    const kind = known.find((candidate) => candidate.name === name.trim());
    if (kind === undefined) throw new UsageError(`--only: there is no fault ${JSON.stringify(name)}`);
    return kind;
  });
}

function whole(name: string, text: string, min: number): number {
  const number = Number(text.replaceAll("_", ""));
  if (!Number.isSafeInteger(number) || number < min || text.trim() === "") {
    throw new UsageError(`--${name} must be a whole number from ${min}; got ${JSON.stringify(text)}`);
  }
  return number;
}

function positive(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0 && number <= 100_000)) {
    throw new UsageError(`--${name} must be a number above 0; got ${JSON.stringify(text)}`);
  }
  return number;
}
