import { type ErrorDetails, SerializationError, StateError } from "../core/errors.js";
import { canonicalKeyOfBytes } from "../core/key.js";
import { type Key, type Value, valueToBuffer } from "../core/value.js";
import { NestingFault } from "./body-format.js";
import { type RecordHeader, readRecordHeader, recordHeaderText } from "./record-header.js";
import { BodyFormats, type TableSchema } from "./table-options.js";

/** What a format would turn into nothing. */
const UNSTORABLE: readonly string[] = ["function", "symbol"];

/** Between a table's typed values and the bytes that the engine keeps. All it throws are SerializationErrors. */
export class RecordCodec<T> {
  readonly #tableName: string;
  readonly #backend: string;
  readonly #schema: TableSchema;
  readonly #formats = new BodyFormats();
  readonly #headerText: string;
  readonly #headerBytes: Buffer;
  readonly #ownHeader: RecordHeader;

  constructor(tableName: string, backend: string, schema: TableSchema) {
    this.#tableName = tableName;
    this.#backend = backend;
    this.#schema = schema;
    this.#headerText = recordHeaderText(schema);
    this.#headerBytes = Buffer.from(this.#headerText, "latin1");
    this.#ownHeader = { ...schema, bodyAt: this.#headerBytes.length };
  }

  encode(operation: string, key: Key, value: T): Value {
    try {
      if (value === null || value === undefined) throw new TypeError(`${value} stands for a key that is not there`);
      const { custom, format } = this.#schema;
      if (format !== "custom" && UNSTORABLE.includes(typeof value)) throw new TypeError(`a ${typeof value} is no data`);
      const body = format === "custom" ? custom!.encode(value) : this.#formats.get(format).encode(value);
      if (typeof body === "string") return this.#headerText + body;
      if (!(body instanceof Uint8Array)) throw new TypeError("the codec's encode must return a string or bytes");
      // Throws where the codec has given its memory away meanwhile.
      return Buffer.concat([this.#headerBytes, valueToBuffer(body)]);
    } catch (error) {
      const reason = error instanceof NestingFault ? "ERR_NESTING" : "ERR_ENCODE";
      throw this.#fault(`the value cannot be stored: ${messageOf(error)}`, { operation, reason, cause: error }, key);
    }
  }

  decode(operation: string, key: Key, record: Buffer): T {
    const header = this.#headerOf(operation, key, record);
    const { custom, version } = this.#schema;
    if (header.version > version && header.readableFrom > version) {
      const message = `the record has schema version ${header.version} and asks for readers of version ${header.readableFrom} or newer; this program reads up to version ${version}`;
      throw this.#fault(message, { operation, reason: "ERR_RECORD_NEWER" }, key);
    }
    let read: unknown;
    try {
      if (header.format !== "custom") read = this.#formats.get(header.format).decode(record, header.bodyAt);
      else if (custom !== undefined) return custom.decode(record.subarray(header.bodyAt), header.version) as T;
      else throw new Error("it was written by a custom codec");
    } catch (error) {
      const reason = error instanceof NestingFault ? "ERR_NESTING" : "ERR_RECORD";
      throw this.#fault(`the record cannot be read: ${messageOf(error)}`, { operation, reason, cause: error }, key);
    }
    return this.#upToDate(operation, key, read, header.version);
  }

  #headerOf(operation: string, key: Key, record: Buffer): RecordHeader {
    const own = this.#headerBytes;
    let same = 0;
    while (same < own.length && record[same] === own[same]) same++;
    if (same === own.length) return this.#ownHeader;
    const header = readRecordHeader(record);
    const { format, migrations } = this.#schema;
    if (header === null) {
      if (migrations.has(0)) return { format, version: 0, readableFrom: 0, bodyAt: 0 };
      throw this.#fault("the value is not a record of a table", { operation, reason: "ERR_RECORD" }, key);
    }
    if (format === "custom" && header.format !== "custom") {
      const message = `the record is ${header.format}, and this program reads it with a custom codec`;
      throw this.#fault(message, { operation, reason: "ERR_RECORD" }, key);
    }
    return header;
  }

  #upToDate(operation: string, key: Key, read: unknown, from: number): T {
    const { migrations, parse, version } = this.#schema;
    let value = read;
    for (let at = from; at < version; at++) {
      const migrate = migrations.get(at);
      if (migrate === undefined) {
        const message = `the record has schema version ${at}, from which there is no migration to ${version}`;
        throw this.#fault(message, { operation, reason: "ERR_RECORD_OLDER" }, key);
      }
      try {
        value = migrate(value);
      } catch (error) {
        const message = `the migration from schema version ${at} failed: ${messageOf(error)}`;
        throw this.#fault(message, { operation, reason: "ERR_MIGRATION", cause: error }, key);
      }
    }
    if (parse === undefined) return value as T;
    try {
      return parse(value) as T;
    } catch (error) {
      const message = `the record was refused by the table's parse: ${messageOf(error)}`;
      throw this.#fault(message, { operation, reason: "ERR_RECORD", cause: error }, key);
    }
  }

  #fault(message: string, details: ErrorDetails, key: Key): SerializationError {
    const shown = shownKey(key);
    return new SerializationError(`table "${this.#tableName}": ${message}`, {
      ...details,
      backend: this.#backend,
      ...(shown === undefined ? {} : { key: shown }),
    });
  }
}

/** undefined: it is no key, which the engine has not been asked about yet. */
function shownKey(key: unknown): string | undefined {
  if (typeof key === "string") return key;
  return key instanceof Uint8Array && key.length > 0 ? canonicalKeyOfBytes(key) : undefined;
}

/** Parsers quote what they could not read; a stored value must not stand in an error. */
function messageOf(error: unknown): string {
  if (error instanceof SyntaxError) return "it is not JSON";
  if (error instanceof StateError) return error.code;
  if (error instanceof Error) return error.message;
  return typeof error === "object" ? "what was thrown is no Error" : String(error);
}
