import { type BodyFormat, MAX_NESTING, NestingFault } from "./body-format.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const STACK_OVERFLOW = /call stack/;
const CIRCLE = /circular structure/;

/** JSON as the language has it: what `JSON.stringify` drops or changes (undefined, Date, NaN, Map) is dropped or changed. */
export const jsonBody: BodyFormat = {
  encode(value) {
    const text = stringified(value);
    if (text === undefined) throw new TypeError(`JSON has no form for a ${typeof value}`);
    // NaN, an invalid Date, a toJSON that gives null: what would be read stands for a key that is not there.
    if (text === "null") throw new TypeError("JSON makes null of it");
    // Each level takes two characters at least, so short texts cannot be too deep.
    if (text.length > 2 * MAX_NESTING) refuseDeepNesting(text.length, (at) => text.charCodeAt(at), 0);
    return text;
  },
  decode(record, at) {
    if (record.length - at > 2 * MAX_NESTING) refuseDeepNesting(record.length, (index) => record[index]!, at);
    return parsed(record.toString("utf8", at));
  },
};

function stringified(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError && STACK_OVERFLOW.test(error.message)) throw new NestingFault();
    // Its message names properties, some of which may be data.
    if (error instanceof TypeError && CIRCLE.test(error.message)) throw new TypeError("it contains itself");
    throw error;
  }
}

/** The parser quotes what it could not read. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
}

function refuseDeepNesting(end: number, unitAt: (at: number) => number, from: number): void {
  let depth = 0;
  for (let at = from; at < end; at++) {
    const unit = unitAt(at);
    if (unit === QUOTE) {
      for (at++; at < end; at++) {
        const inside = unitAt(at);
        if (inside === BACKSLASH) at++;
        else if (inside === QUOTE) break;
      }
    } else if (unit === 0x5b || unit === 0x7b) {
      depth++;
      if (depth > MAX_NESTING) throw new NestingFault();
    } else if (unit === 0x5d || unit === 0x7d) {
      depth--;
    }
  }
}
