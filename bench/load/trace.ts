import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { UsageError } from "../lib/usage-error.js";

export interface LlmRequest {
  readonly atMs: number;
  readonly contextTokens: number;
  readonly generatedTokens: number;
}

export interface CacheOperation {
  readonly operation: "get" | "put" | "delete";
  readonly key: string;
  readonly valueBytes: number;
  /** 0: never expires. */
  readonly ttlMs: number;
}

export type Trace =
  | { readonly kind: "llm"; readonly requests: readonly LlmRequest[]; readonly skipped: number }
  | { readonly kind: "cache"; readonly operations: readonly CacheOperation[]; readonly skipped: number };

/** Published cache traces have billions of lines; this much of one is replayed. */
export const MAX_RECORDS = 500_000;

const LLM_HEADER = /^TIMESTAMP,ContextTokens,GeneratedTokens\s*$/i;
const LLM_LINE = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?,(\d+),(\d+)\s*$/;

/** What the operations of the cache trace do here; those that read and write by halves are taken as their write. */
const CACHE_OPERATIONS: Record<string, CacheOperation["operation"]> = {
  get: "get",
  gets: "get",
  set: "put",
  add: "put",
  replace: "put",
  cas: "put",
  append: "put",
  prepend: "put",
  incr: "put",
  decr: "put",
  delete: "delete",
};

/**
 * Reads one of two public formats, told apart by the first line: the Azure LLM inference trace
 * (`TIMESTAMP,ContextTokens,GeneratedTokens`, with header) and the Twitter cache trace
 * (`timestamp,key,key size,value size,client id,operation,TTL`, without).
 * @throws UsageError naming file and line for anything else
 */
export async function readTrace(file: string): Promise<Trace> {
  const input = createReadStream(file, "utf8");
  // A folder opens like a file, and fails when it is read.
  const unreadable = new Promise<never>((_, reject) => {
    input.once("error", (error) => reject(new UsageError(`cannot read the trace ${file}: ${error.message}`)));
  });
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  return Promise.race([unreadable, parseTrace(lines, file)]);
}

export async function parseTrace(lines: AsyncIterable<string> | Iterable<string>, file: string): Promise<Trace> {
  const requests: LlmRequest[] = [];
  const operations: CacheOperation[] = [];
  let kind: Trace["kind"] | null = null;
  let number = 0;
  let skipped = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() === "") continue;
    if (kind === null) {
      kind = LLM_HEADER.test(line.replace(/^\uFEFF/, "")) ? "llm" : "cache";
      if (kind === "llm") continue;
    }
    if (requests.length + operations.length === MAX_RECORDS) {
      skipped++;
      continue;
    }
    if (kind === "llm") requests.push(parseLlmLine(line) ?? refuse(file, number, "an LLM request"));
    else operations.push(parseCacheLine(line) ?? refuse(file, number, "a cache operation"));
  }
  if (requests.length + operations.length === 0) throw new UsageError(`the trace ${file} holds no request`);
  return kind === "llm" ? { kind, requests, skipped } : { kind: "cache", operations, skipped };
}

function refuse(file: string, line: number, wanted: string): never {
  throw new UsageError(
    `${file}, line ${line} is not ${wanted}; expected "TIMESTAMP,ContextTokens,GeneratedTokens" with that header, ` +
      'or "timestamp,key,key size,value size,client id,operation,TTL" without one',
  );
}

function parseLlmLine(line: string): LlmRequest | null {
  const match = LLM_LINE.exec(line);
  if (match === null) return null;
  const [, date, time, fraction, zone, context, generated] = match;
  const wholeSeconds = Date.parse(`${date}T${time}${zone ?? "Z"}`);
  if (Number.isNaN(wholeSeconds)) return null;
  const atMs = wholeSeconds + (fraction === undefined ? 0 : Number(`0${fraction}`) * 1000);
  return { atMs, contextTokens: Number(context), generatedTokens: Number(generated) };
}

function parseCacheLine(line: string): CacheOperation | null {
  const fields = line.trimEnd().split(",");
  if (fields.length !== 7) return null;
  const [time, key, keyBytes, valueBytes, , name, ttl] = fields as [string, string, string, string, ...string[]];
  const known = (name ?? "").toLowerCase();
  const operation = Object.hasOwn(CACHE_OPERATIONS, known) ? CACHE_OPERATIONS[known] : undefined;
  const numbers = [time, keyBytes, valueBytes, ttl].map((field) => Number(field));
  if (operation === undefined || key === "" || numbers.some((field) => !Number.isInteger(field) || field < 0)) {
    return null;
  }
  return { operation, key, valueBytes: numbers[2]!, ttlMs: numbers[3]! * 1000 };
}
