import { suggest } from "../config/suggest.js";
import { InvalidArgumentError } from "../core/errors.js";
import type { BodyFormat } from "./body-format.js";
import { jsonBody } from "./json-body.js";
import { createMessagePackBody } from "./message-pack-body.js";
import type { RecordFormat } from "./record-header.js";
import type { TableCodec, TableFormat, TableOptions } from "./table-contract.js";

const MAX_VERSION = 65_535;
const OPTIONS = ["codec", "version", "readableFrom", "migrations", "parse"];

type Migration = (old: unknown) => unknown;

/** A table's options with their defaults. */
export interface TableSchema {
  readonly format: RecordFormat;
  readonly version: number;
  readonly readableFrom: number;
  readonly custom: TableCodec<unknown> | undefined;
  /** `migrations.get(n)` leads from version n to n + 1. */
  readonly migrations: ReadonlyMap<number, Migration>;
  readonly parse: ((read: unknown) => unknown) | undefined;
}

/** Names end at their colon, so that no table lies inside another of the same view. */
export function checkTableName(name: string): void {
  if (
    typeof name === "string" &&
    name.length >= 1 &&
    name.length <= 256 &&
    name.isWellFormed() &&
    !name.includes(":")
  ) {
    return;
  }
  throw refused("a table's name must be a well-formed string of 1..256 characters without a colon", "ERR_TABLE_NAME");
}

/** @throws InvalidArgumentError with reason ERR_TABLE_OPTION */
export function parseTableOptions<T>(
  name: string,
  given: TableFormat | TableCodec<T> | TableOptions<T> | undefined,
): TableSchema {
  const refuse = (message: string): InvalidArgumentError => refused(`table "${name}": ${message}`, "ERR_TABLE_OPTION");
  const options = asOptions(given, refuse);
  const version = wholeVersion(options.version ?? 1, "version", refuse);
  const readableFrom = wholeVersion(options.readableFrom ?? version, "readableFrom", refuse);
  if (readableFrom > version) throw refuse(`readableFrom (${readableFrom}) must not be above version (${version})`);
  const codec = options.codec ?? "json";
  const custom = typeof codec === "string" ? undefined : (codec as TableCodec<unknown>);
  if (custom === undefined && codec !== "json" && codec !== "msgpack") throw unknownCodec(codec, refuse);
  if (custom !== undefined && !isCodec(custom)) throw unknownCodec(codec, refuse);
  if (custom !== undefined && (options.migrations !== undefined || options.parse !== undefined)) {
    throw refuse("a custom codec is given the version of each record: it migrates and checks in its decode");
  }
  return {
    format: custom === undefined ? (codec as TableFormat) : "custom",
    version,
    readableFrom,
    custom,
    migrations: migrationsOf(options.migrations, version, refuse),
    parse: options.parse,
  };
}

type GivenOptions = {
  readonly codec?: TableFormat | TableCodec<unknown>;
  readonly version?: number;
  readonly readableFrom?: number;
  readonly migrations?: Readonly<Record<string, Migration>>;
  readonly parse?: (read: unknown) => unknown;
};

function asOptions(given: unknown, refuse: (message: string) => InvalidArgumentError): GivenOptions {
  if (given === undefined) return {};
  if (typeof given === "string") return { codec: given as TableFormat };
  if (typeof given !== "object" || given === null) {
    throw refuse(`expected "json", "msgpack", a codec or options; got ${typeof given}`);
  }
  if (isCodec(given)) {
    const misplaced = OPTIONS.find((option) => option in given);
    if (misplaced === undefined) return { codec: given };
    throw refuse(`a codec has no ${misplaced}; options stand beside it: { codec, ${misplaced} }`);
  }
  for (const option of Object.keys(given)) {
    if (OPTIONS.includes(option)) continue;
    const near = suggest(option, OPTIONS);
    throw refuse(`there is no option ${option}; ${near === undefined ? `known: ${OPTIONS}` : `did you mean ${near}?`}`);
  }
  const { parse } = given as GivenOptions;
  if (parse !== undefined && typeof parse !== "function") throw refuse("parse must be a function");
  return given as GivenOptions;
}

function isCodec(given: object): given is TableCodec<unknown> {
  const { encode, decode } = given as Partial<TableCodec<unknown>>;
  return typeof encode === "function" && typeof decode === "function";
}

function unknownCodec(codec: unknown, refuse: (message: string) => InvalidArgumentError): InvalidArgumentError {
  const got = typeof codec === "string" ? `"${codec.slice(0, 40)}"` : `a ${typeof codec}`;
  return refuse(`codec must be "json", "msgpack" or an object with encode and decode; got ${got}`);
}

function wholeVersion(given: unknown, option: string, refuse: (message: string) => InvalidArgumentError): number {
  if (Number.isSafeInteger(given) && (given as number) >= 1 && (given as number) <= MAX_VERSION) return given as number;
  throw refuse(`${option} must be a whole number in 1..${MAX_VERSION}; got ${String(given)}`);
}

function migrationsOf(
  given: Readonly<Record<string, Migration>> | undefined,
  version: number,
  refuse: (message: string) => InvalidArgumentError,
): Map<number, Migration> {
  const migrations = new Map<number, Migration>();
  if (given === undefined) return migrations;
  if (typeof given !== "object" || given === null || Symbol.iterator in given) {
    throw refuse("migrations must be an object with a function under each version");
  }
  for (const [from, migrate] of Object.entries(given)) {
    if (!/^\d+$/.test(from) || Number(from) >= version || typeof migrate !== "function") {
      throw refuse(`migrations must be functions under versions below ${version}; got ${from}`);
    }
    migrations.set(Number(from), migrate);
  }
  const oldest = Math.min(...migrations.keys());
  for (let from = oldest; from < version; from++) {
    if (!migrations.has(from)) throw refuse(`there are migrations from version ${oldest}, but none from ${from}`);
  }
  return migrations;
}

function refused(message: string, reason: string): InvalidArgumentError {
  return new InvalidArgumentError(message, { operation: "table", reason });
}

/** The two formats that every table reads, whichever it writes. */
export class BodyFormats {
  #messagePack: BodyFormat | undefined;

  get(format: TableFormat): BodyFormat {
    if (format === "json") return jsonBody;
    this.#messagePack ??= createMessagePackBody();
    return this.#messagePack;
  }
}
