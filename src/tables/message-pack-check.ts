import { MAX_NESTING, NestingFault } from "./body-format.js";

/** Extension types that are read: timestamps (of the specification) and msgpackr's undefined. */
const TIMESTAMP = -1;
const UNDEFINED = 0;

/**
 * Walks a MessagePack document (specification of 2013) without building anything, and refuses what a decoder should not
 * be given: nesting without end, arrays and texts longer than the document, extensions, anything behind its end.
 *
 * @throws NestingFault, or an error that says what is wrong
 */
export function checkMessagePack(bytes: Buffer, from: number): void {
  const open: number[] = [];
  let at = from;
  let left = 1;
  while (left > 0 || open.length > 0) {
    if (left === 0) {
      left = open.pop()!;
      continue;
    }
    left--;
    const type = bytes[at];
    if (type === undefined) throw truncated();
    at++;
    let payload = 0;
    let children = 0;
    if (type <= 0x7f || type >= 0xe0) continue;
    if (type <= 0x8f) children = 2 * (type & 0x0f);
    else if (type <= 0x9f) children = type & 0x0f;
    else if (type <= 0xbf) payload = type & 0x1f;
    else {
      const form = FORMS[type - 0xc0]!;
      if (at + form.lengthBytes > bytes.length) throw truncated();
      const length = form.lengthBytes === 0 ? form.fixed : bytes.readUIntBE(at, form.lengthBytes);
      at += form.lengthBytes;
      if (form.kind === "unused") throw new Error("it holds a byte that MessagePack does not use");
      if (form.kind === "array") children = length;
      else if (form.kind === "map") children = 2 * length;
      else payload = length;
      if (form.kind === "extension") {
        const extension = at < bytes.length ? bytes.readInt8(at) : TIMESTAMP;
        if (extension !== TIMESTAMP && extension !== UNDEFINED) {
          throw new Error(`it holds an extension, of type ${extension}, which tables do not read`);
        }
        at++;
      }
    }
    at += payload;
    // Every child takes a byte at least.
    if (at + children > bytes.length) throw truncated();
    if (children === 0) continue;
    if (open.length >= MAX_NESTING) throw new NestingFault();
    open.push(left);
    left = children;
  }
  if (at !== bytes.length) throw new Error("there are bytes behind its end");
}

interface Form {
  readonly kind: "plain" | "unused" | "extension" | "array" | "map";
  readonly lengthBytes: number;
  readonly fixed: number;
}

function form(kind: Form["kind"], lengthBytes: number, fixed = 0): Form {
  return { kind, lengthBytes, fixed };
}

/** The types C0 to DF. */
const FORMS: readonly Form[] = [
  form("plain", 0),
  form("unused", 0),
  form("plain", 0),
  form("plain", 0),
  ...[1, 2, 4].map((bytes) => form("plain", bytes)),
  ...[1, 2, 4].map((bytes) => form("extension", bytes)),
  ...[4, 8, 1, 2, 4, 8, 1, 2, 4, 8].map((bytes) => form("plain", 0, bytes)),
  ...[1, 2, 4, 8, 16].map((bytes) => form("extension", 0, bytes)),
  ...[1, 2, 4].map((bytes) => form("plain", bytes)),
  form("array", 2),
  form("array", 4),
  form("map", 2),
  form("map", 4),
];

function truncated(): Error {
  return new Error("it ends too early");
}
