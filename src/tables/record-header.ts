/*
 * A record begins with a line of ASCII, so that a JSON record as a whole is text: it goes to the store as one string,
 * and a person sees what it is.
 *
 *   0x01, the format's letter, the schema version, "/" and the oldest reader's version if that differs, a blank
 *
 * No JSON text begins with 0x01, and no MessagePack document that does is longer than that byte: values that other
 * programs wrote are told from records.
 */
const MARK = 0x01;
const SLASH = 0x2f;
const BLANK = 0x20;
const MAX_DIGITS = 5;

export type RecordFormat = "json" | "msgpack" | "custom";

const LETTERS: Readonly<Record<RecordFormat, string>> = { json: "j", msgpack: "m", custom: "c" };
const FORMATS = new Map<number, RecordFormat>(
  (Object.keys(LETTERS) as RecordFormat[]).map((format) => [LETTERS[format].charCodeAt(0), format]),
);

export interface RecordHeader {
  readonly format: RecordFormat;
  readonly version: number;
  readonly readableFrom: number;
  /** Where the body begins. */
  readonly bodyAt: number;
}

export function recordHeaderText({ format, version, readableFrom }: Omit<RecordHeader, "bodyAt">): string {
  const oldest = readableFrom === version ? "" : `/${readableFrom}`;
  return `${String.fromCharCode(MARK)}${LETTERS[format]}${version}${oldest} `;
}

/** null: not a record. */
export function readRecordHeader(record: Buffer): RecordHeader | null {
  if (record[0] !== MARK) return null;
  const format = FORMATS.get(record[1] ?? 0);
  const version = readNumber(record, 2);
  if (format === undefined || version === null) return null;
  if (record[version.end] === BLANK) {
    return { format, version: version.value, readableFrom: version.value, bodyAt: version.end + 1 };
  }
  if (record[version.end] !== SLASH) return null;
  const oldest = readNumber(record, version.end + 1);
  if (oldest === null || record[oldest.end] !== BLANK) return null;
  return { format, version: version.value, readableFrom: oldest.value, bodyAt: oldest.end + 1 };
}

function readNumber(record: Buffer, at: number): { value: number; end: number } | null {
  let value = 0;
  let end = at;
  while (end - at < MAX_DIGITS) {
    const digit = (record[end] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
    end++;
  }
  return end === at ? null : { value, end };
}
