import { crc32 } from "../../../core/crc32.js";

/** A statement's text, as the messages that announce it. */
export interface EncodedStatement {
  /** Parse, for the unnamed statement. */
  readonly parse: Buffer;
  /** Close and Parse under `name`: whether the name is taken need not be known. */
  readonly parseNamed: Buffer;
  /** Zero-terminated. */
  readonly name: Buffer;
}

/** The name of the unnamed statement. */
export const UNNAMED = Buffer.from([0]);

/** @param name of the statement where it is kept by the server; the text decides it, so that no two texts share one */
export function encodedStatement(sql: string): EncodedStatement {
  const text = Buffer.from(sql, "utf8");
  const name = Buffer.from(`millrace_${crc32(text).toString(16)}_${text.length}\0`, "latin1");
  const parseNamed = Buffer.concat([closeMessage(name), parseMessage(name, text)]);
  return { parse: parseMessage(UNNAMED, text), parseNamed, name };
}

function parseMessage(name: Buffer, text: Buffer): Buffer {
  const message = Buffer.alloc(1 + 4 + name.length + text.length + 1 + 2);
  message[0] = 0x50;
  message.writeInt32BE(message.length - 1, 1);
  name.copy(message, 5);
  text.copy(message, 5 + name.length);
  return message;
}

function closeMessage(name: Buffer): Buffer {
  const message = Buffer.alloc(1 + 4 + 1 + name.length);
  message[0] = 0x43;
  message.writeInt32BE(message.length - 1, 1);
  message[5] = 0x53;
  name.copy(message, 6);
  return message;
}
