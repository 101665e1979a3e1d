import { isAnyArrayBuffer, isArrayBuffer, isUint8Array, isUint8ClampedArray } from "node:util/types";
import { MAX_NESTING, NestingFault } from "./body-format.js";

const FIRST_BYTES = 8192;
const TIMESTAMP = 0xff;
const LARGEST_UINT64 = 2n ** 64n;

/** Hooks of classes that have a form of their own here. */
const HOOKS_PASSED_OVER: readonly unknown[] = [Date.prototype.toJSON, Buffer.prototype.toJSON];

/** Writes one value at a time as MessagePack, and throws for whatever a reader would not find again. */
export class MessagePackWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** The arrays and objects around what is being written, from the outermost. */
  readonly #around: object[] = [];

  /** Of the memory that it keeps. */
  get byteLength(): number {
    return this.#bytes.length;
  }

  /** The bytes are good until the next call. */
  write(value: unknown): Buffer {
    this.#at = 0;
    this.#around.length = 0;
    this.#value(value);
    return this.#bytes.subarray(0, this.#at);
  }

  #value(given: unknown): void {
    const value = typeof given === "object" && given !== null ? afterHook(given) : given;
    switch (typeof value) {
      case "string":
        this.#text(value);
        break;
      case "number":
        this.#number(value);
        break;
      case "boolean":
        this.#byte(value ? 0xc3 : 0xc2);
        break;
      case "bigint":
        this.#bigint(value);
        break;
      case "object":
        if (value === null) this.#byte(0xc0);
        else this.#object(value);
        break;
      case "symbol":
        throw new TypeError("MessagePack has no form for a symbol");
      default:
        this.#undefined();
    }
  }

  #object(value: object): void {
    if (Array.isArray(value)) {
      this.#array(value, value);
    } else if (value instanceof Date) {
      this.#date(value.getTime());
    } else if (ArrayBuffer.isView(value) || isAnyArrayBuffer(value)) {
      this.#binary(bytesOf(value));
    } else if (value instanceof Map) {
      this.#map(value);
    } else if (value instanceof Set) {
      this.#array(value, [...value]);
    } else if (value instanceof Error) {
      this.#array(value, [value.name, value.message, value.cause]);
    } else if (value instanceof RegExp) {
      this.#array(value, [value.source, value.flags]);
    } else {
      const keys = Object.keys(value);
      this.#enter(value, 0x80, 0xde, keys.length);
      for (const key of keys) {
        this.#key(key);
        this.#value((value as Record<string, unknown>)[key]);
      }
      this.#around.pop();
    }
  }

  #array(of: object, items: readonly unknown[]): void {
    const { length } = items;
    this.#enter(of, 0x90, 0xdc, length);
    for (let index = 0; index < length; index++) this.#value(items[index]);
    this.#around.pop();
  }

  #map(map: ReadonlyMap<unknown, unknown>): void {
    const entries = [...map];
    this.#enter(map, 0x80, 0xde, entries.length);
    for (const [key, value] of entries) {
      if (typeof key !== "string" && typeof key !== "number") {
        throw new TypeError(`a Map comes back as an object: it cannot have a key of type ${typeof key}`);
      }
      if (typeof key === "number" && map.has(String(key))) {
        throw new TypeError("a Map comes back as an object: it cannot have a number and its text as keys");
      }
      this.#key(String(key));
      this.#value(value);
    }
    this.#around.pop();
  }

  /** @param short the type of fewer than 16 children, which stand in its lower bits @param long that with a 16-bit count */
  #enter(container: object, short: number, long: number, children: number): void {
    const around = this.#around;
    if (around.length >= MAX_NESTING) {
      if (new Set(around).size < around.length) throw new TypeError("it contains itself");
      throw new NestingFault();
    }
    around.push(container);
    const at = this.#claim(5);
    if (children < 16) this.#bytes[at] = short | children;
    else if (children <= 0xffff) this.#bytes[at] = long;
    else this.#bytes[at] = long + 1;
    if (children < 16) {
      this.#at = at + 1;
    } else if (children <= 0xffff) {
      this.#view.setUint16(at + 1, children);
      this.#at = at + 3;
    } else {
      this.#view.setUint32(at + 1, children);
      this.#at = at + 5;
    }
  }

  #key(key: string): void {
    if (key === "__proto__") throw new TypeError("an object with the key __proto__ does not come back as it was");
    this.#text(key);
  }

  #text(text: string): void {
    const units = text.length;
    if (units < 32) {
      // Short ASCII, as nearly all keys are, costs less in this loop than a call into the runtime.
      const at = this.#claim(units + 1);
      let index = 0;
      for (; index < units; index++) {
        const unit = text.charCodeAt(index);
        if (unit > 0x7f) break;
        this.#bytes[at + 1 + index] = unit;
      }
      if (index === units) {
        this.#bytes[at] = 0xa0 | units;
        this.#at = at + 1 + units;
        return;
      }
    }
    if (!text.isWellFormed()) throw new TypeError("a text holds a lone surrogate, which UTF-8 cannot store");
    const length = Buffer.byteLength(text);
    const at = this.#claim(length + 5);
    if (length < 32) {
      this.#bytes[at] = 0xa0 | length;
      this.#at = at + 1;
    } else {
      this.#sized(at, 0xd9, length);
    }
    this.#at += this.#bytes.write(text, this.#at, length, "utf8");
  }

  #binary(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#sized(this.#claim(length + 5), 0xc4, length);
    this.#bytes.set(bytes, this.#at);
    this.#at += length;
  }

  /** A type with a length of 8 bits; those of 16 and 32 follow it. */
  #sized(at: number, type: number, length: number): void {
    if (length <= 0xff) {
      this.#bytes[at] = type;
      this.#bytes[at + 1] = length;
      this.#at = at + 2;
    } else if (length <= 0xffff) {
      this.#bytes[at] = type + 1;
      this.#view.setUint16(at + 1, length);
      this.#at = at + 3;
    } else {
      this.#bytes[at] = type + 2;
      this.#view.setUint32(at + 1, length);
      this.#at = at + 5;
    }
  }

  #number(value: number): void {
    const at = this.#claim(9);
    const bytes = this.#bytes;
    if (value >>> 0 === value) {
      if (value < 0x80) {
        bytes[at] = value;
        this.#at = at + 1;
      } else {
        // The three lengths of an unsigned number follow each other as those of a text do.
        this.#sized(at, 0xcc, value);
      }
    } else if (value >> 0 === value) {
      if (value >= -0x20) {
        bytes[at] = 0x100 + value;
        this.#at = at + 1;
      } else if (value >= -0x80) {
        bytes[at] = 0xd0;
        bytes[at + 1] = 0x100 + value;
        this.#at = at + 2;
      } else if (value >= -0x8000) {
        bytes[at] = 0xd1;
        this.#view.setInt16(at + 1, value);
        this.#at = at + 3;
      } else {
        bytes[at] = 0xd2;
        this.#view.setInt32(at + 1, value);
        this.#at = at + 5;
      }
    } else {
      bytes[at] = 0xcb;
      this.#view.setFloat64(at + 1, value);
      this.#at = at + 9;
    }
  }

  /** Always in 64 bits, by which readers tell it from a number. */
  #bigint(value: bigint): void {
    const at = this.#claim(9);
    if (value === BigInt.asIntN(64, value)) {
      this.#bytes[at] = 0xd3;
      this.#view.setBigInt64(at + 1, value);
    } else if (value > 0n && value < LARGEST_UINT64) {
      this.#bytes[at] = 0xcf;
      this.#view.setBigUint64(at + 1, value);
    } else {
      throw new RangeError("a bigint does not fit into 64 bits");
    }
    this.#at = at + 9;
  }

  #date(ms: number): void {
    const at = this.#claim(15);
    const bytes = this.#bytes;
    const seconds = Math.floor(ms / 1000);
    const nanoseconds = (ms - seconds * 1000) * 1_000_000;
    if (Number.isNaN(ms)) {
      // No timestamp has one byte: read back, it is an invalid Date.
      bytes.set([0xd4, TIMESTAMP, 0xff], at);
      this.#at = at + 3;
    } else if (seconds < 0 || seconds > 0xffff_ffff) {
      bytes.set([0xc7, 12, TIMESTAMP], at);
      this.#view.setUint32(at + 3, nanoseconds);
      this.#view.setBigInt64(at + 7, BigInt(seconds));
      this.#at = at + 15;
    } else if (nanoseconds === 0) {
      bytes.set([0xd6, TIMESTAMP], at);
      this.#view.setUint32(at + 2, seconds);
      this.#at = at + 6;
    } else {
      bytes.set([0xd7, TIMESTAMP], at);
      this.#view.setUint32(at + 2, nanoseconds * 4);
      this.#view.setUint32(at + 6, seconds);
      this.#at = at + 10;
    }
  }

  /** MessagePack has none; several implementations write and read this extension for it. */
  #undefined(): void {
    const at = this.#claim(3);
    this.#bytes[at] = 0xd4;
    this.#bytes[at + 1] = 0;
    this.#bytes[at + 2] = 0;
    this.#at = at + 3;
  }

  #byte(byte: number): void {
    const at = this.#claim(1);
    this.#bytes[at] = byte;
    this.#at = at + 1;
  }

  /** Makes room for so many bytes where the next one goes, and returns that place. */
  #claim(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, at + bytes));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

/** What stands for an object that says so, as in JSON. */
function afterHook(given: object): unknown {
  const { toJSON } = given as { readonly toJSON?: unknown };
  if (typeof toJSON !== "function" || HOOKS_PASSED_OVER.includes(toJSON)) return given;
  return toJSON.call(given) as unknown;
}

/** @throws TypeError where the class of a value says more than its bytes, and for detached memory */
function bytesOf(value: ArrayBufferView | ArrayBufferLike): Uint8Array {
  if (isArrayBuffer(value)) return new Uint8Array(value);
  if (isUint8Array(value) || isUint8ClampedArray(value)) {
    // Another view, because a detached one passes for empty.
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  const name = Object.prototype.toString.call(value).slice(8, -1);
  throw new TypeError(`binary values are Buffer, Uint8Array or ArrayBuffer; a ${name} would not come back as one`);
}
