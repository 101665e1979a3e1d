import { type BodyFormat, MAX_NESTING, NestingFault } from "./body-format.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** JSON as the language has it: what `JSON.stringify` drops or changes (undefined, Date, NaN, Map) is dropped or changed. */
export const jsonBody: BodyFormat = {
  encode(value) {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`JSON has no form for a ${typeof value}`);
    // Each level takes two characters at least, so short texts cannot be too deep.
    if (text.length > 2 * MAX_NESTING) refuseDeepNesting(text.length, (at) => text.charCodeAt(at), 0);
    return text;
  },
  decode(record, at) {
    if (record.length - at > 2 * MAX_NESTING) refuseDeepNesting(record.length, (index) => record[index]!, at);
    return JSON.parse(record.toString("utf8", at));
  },
};

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
