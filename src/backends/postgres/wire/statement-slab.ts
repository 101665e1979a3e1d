import { SEALING_REGION_BYTES, SealingRegion } from "../../../codec/kernel/sealing-region.js";
import type { ValueCodec } from "../../../codec/value-codec.js";
import { crc32 } from "../../../core/crc32.js";
import { type CanonicalKey, writeKey } from "../../../core/key.js";
import type { Request } from "../../request.js";
import { tooMuchError } from "../errors.js";
import { type EncodedStatement, UNNAMED } from "./encoded-statement.js";

const DEFAULT_BYTES = SEALING_REGION_BYTES;
const USUAL_KEYS = 1024;
/** Room for the fixed parts of a message around one element. */
const FRAME_BYTES = 64;
/** A slab that grew beyond this is not kept. */
const MAX_KEPT_BYTES = DEFAULT_BYTES * 16;
/** The server hangs up on a message of 1 GiB; several share a slab, which is bounded as one. */
export const MAX_SENT_BYTES = 0x3fff_0000;

const OID_BOOL = 16;
const OID_BYTEA = 17;
const OID_INT8 = 20;
const OID_TEXT = 25;
const OID_FLOAT8 = 701;

const EXECUTE = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0]);
export const SYNC = Buffer.from([0x53, 0, 0, 0, 4]);

/**
 * Outgoing bytes: messages of the extended protocol, keys and values written in place, with binary arrays as
 * parameters and binary results asked for. Grows; never shrinks below its first size.
 */
export class StatementSlab {
  bytes: Buffer;
  length = 0;
  /** Where its Syncs end. */
  readonly ends: number[] = [];
  readonly #codec: ValueCodec;
  readonly #prefix: Buffer;
  readonly #prefixChecksum: number;
  /** Whose memory `bytes` is; undefined: plain memory, in which every checksum is made at once. */
  #region: SealingRegion | undefined;
  /** The region that a batch of unusual size did not fit in. */
  #spareRegion: SealingRegion | undefined;
  /** Where the keys of `keys` stand, without the prefix: beginning and end of each. */
  #keyPlaces = new Int32Array(USUAL_KEYS * 2);
  #bindAt = 0;
  #parameterAt = 0;
  readonly #maxBytes: number;

  constructor(codec: ValueCodec, keyPrefix: string, maxBytes = MAX_SENT_BYTES) {
    this.#codec = codec;
    this.#maxBytes = maxBytes;
    this.#prefix = Buffer.from(keyPrefix, "utf8");
    this.#prefixChecksum = crc32(this.#prefix);
    this.#region = SealingRegion.take(this.#prefixChecksum);
    this.bytes = this.#region?.bytes ?? Buffer.allocUnsafeSlow(DEFAULT_BYTES);
  }

  reset(): void {
    this.length = 0;
    this.ends.length = 0;
    if (this.#spareRegion !== undefined) {
      this.#region = this.#spareRegion;
      this.#spareRegion = undefined;
      this.bytes = this.#region.bytes;
    } else if (this.bytes.length > MAX_KEPT_BYTES) {
      this.bytes = Buffer.allocUnsafeSlow(DEFAULT_BYTES);
    }
    // A batch that could not be encoded to its end may have left some.
    this.#region?.reset();
  }

  /** Announces those that the server of this connection has not; where none are named, `begin` announces each. */
  prepare(statements: readonly EncodedStatement[], known: Set<EncodedStatement> | undefined): void {
    for (const statement of statements) {
      if (known === undefined || known.has(statement)) continue;
      known.add(statement);
      this.constant(statement.parseNamed);
    }
  }

  /** @param known names of statements that the server of this connection has; undefined: none are named */
  begin(statement: EncodedStatement, parameters: number, known: Set<EncodedStatement> | undefined): void {
    if (known === undefined) this.constant(statement.parse);
    else if (!known.has(statement)) this.prepare([statement], known);
    this.#reserve(FRAME_BYTES);
    this.#bindAt = this.length;
    this.bytes[this.length] = 0x42;
    this.length += 5;
    this.bytes[this.length++] = 0;
    this.constant(known === undefined ? UNNAMED : statement.name);
    this.#int16(1);
    this.#int16(1);
    this.#int16(parameters);
  }

  /**
   * Ends the statement that `begin` began and has it executed.
   *
   * @throws InvalidArgumentError where there is more by now than the server takes; so do those that write parameters
   */
  execute(): void {
    this.#checkLength();
    this.#reserve(FRAME_BYTES);
    this.#int16(1);
    this.#int16(1);
    this.bytes.writeInt32BE(this.length - this.#bindAt - 1, this.#bindAt + 1);
    this.constant(EXECUTE);
  }

  /** Ends a transaction, or what is one where none was begun. */
  sync(): void {
    this.constant(SYNC);
    this.ends.push(this.length);
  }

  /**
   * Stored keys as `bytea[]`.
   * @param checksums receives the CRC-32 of each; absent where only `entryValues` needs them
   */
  keys(keys: ArrayLike<{ readonly key: CanonicalKey }>, checksums?: Uint32Array): void {
    const count = keys.length;
    this.#beginArray(OID_BYTEA, count, false);
    const prefix = this.#prefix;
    const prefixBytes = prefix.length;
    if (this.#keyPlaces.length < count * 2) this.#keyPlaces = new Int32Array(count * 2);
    const places = this.#keyPlaces;
    for (let i = 0; i < count; i++) {
      const { key } = keys[i]!;
      const units = key.length;
      this.#reserve(units * 3 + prefixBytes + FRAME_BYTES);
      const { bytes } = this;
      const from = this.length + 4;
      let at = from;
      for (let j = 0; j < prefixBytes; j++) bytes[at++] = prefix[j]!;
      at = writeKey(bytes, at, key, units);
      writeInt32(bytes, this.length, at - from);
      if (checksums !== undefined) checksums[i] = crc32(bytes, from + prefixBytes, at, this.#prefixChecksum);
      places[i * 2] = from + prefixBytes;
      places[i * 2 + 1] = at;
      this.length = at;
    }
    this.#endParameter();
  }

  /** Stored forms of the values of those whose keys `keys` has written just now, as `bytea[]`. */
  entryValues(entries: readonly Request[]): void {
    this.#beginArray(OID_BYTEA, entries.length, false);
    const places = this.#keyPlaces;
    for (let i = 0; i < entries.length; i++) {
      const { value, hint } = entries[i]!;
      this.#reserve(this.#codec.maxEncodedBytes(value!) + FRAME_BYTES);
      const keyAt = places[i * 2]!;
      const keyEnd = places[i * 2 + 1]!;
      const from = this.length + 4;
      // Making room may have moved everything out of the region, and sealed what was noted.
      const region = this.#region;
      let end = region === undefined ? -1 : this.#codec.encodeUnsealed(this.bytes, from, value!);
      if (end >= 0) region!.note(keyAt, keyEnd - keyAt, from, end - from);
      else {
        const checksum = crc32(this.bytes, keyAt, keyEnd, this.#prefixChecksum);
        end = this.#codec.encodeInto(this.bytes, from, checksum, value!, hint);
      }
      writeInt32(this.bytes, this.length, end - from);
      this.length = end;
    }
    this.#region?.seal();
    this.#endParameter();
  }

  /** Bytes as they are as `bytea[]`. */
  blobs(blobs: readonly (Uint8Array | null)[]): void {
    this.#byteArrays(OID_BYTEA, blobs);
  }

  texts(texts: readonly (string | null)[]): void {
    this.#byteArrays(
      OID_TEXT,
      texts.map((text) => (text === null ? null : Buffer.from(text, "utf8"))),
    );
  }

  /** Whole numbers as `int8[]`. */
  integers(count: number, at: (index: number) => number): void {
    this.#beginArray(OID_INT8, count, false);
    this.#reserve(count * 12);
    for (let i = 0; i < count; i++) {
      this.#int32(8);
      this.bytes.writeBigInt64BE(BigInt(at(i)), this.length);
      this.length += 8;
    }
    this.#endParameter();
  }

  /** Numbers as `float8[]`; null where `at` says so. */
  floats(count: number, at: (index: number) => number | null): void {
    this.#beginArray(OID_FLOAT8, count, true);
    this.#reserve(count * 12);
    for (let i = 0; i < count; i++) {
      const number = at(i);
      this.#int32(number === null ? -1 : 8);
      if (number === null) continue;
      this.bytes.writeDoubleBE(number, this.length);
      this.length += 8;
    }
    this.#endParameter();
  }

  booleans(count: number, at: (index: number) => boolean): void {
    this.#beginArray(OID_BOOL, count, false);
    this.#reserve(count * 5);
    for (let i = 0; i < count; i++) {
      this.#int32(1);
      this.bytes[this.length++] = at(i) ? 1 : 0;
    }
    this.#endParameter();
  }

  /** One `int4`. */
  int4(value: number): void {
    this.#reserve(FRAME_BYTES);
    this.#int32(4);
    this.#int32(value);
  }

  /** One `float8`. */
  float8(value: number): void {
    this.#reserve(FRAME_BYTES);
    this.#int32(8);
    this.bytes.writeDoubleBE(value, this.length);
    this.length += 8;
  }

  constant(encoded: Uint8Array): void {
    this.#reserve(encoded.length);
    this.bytes.set(encoded, this.length);
    this.length += encoded.length;
  }

  #byteArrays(oid: number, elements: readonly (Uint8Array | null)[]): void {
    this.#beginArray(oid, elements.length, true);
    for (const element of elements) {
      this.#reserve((element?.length ?? 0) + FRAME_BYTES);
      this.#int32(element === null ? -1 : element.length);
      if (element === null) continue;
      this.bytes.set(element, this.length);
      this.length += element.length;
    }
    this.#endParameter();
  }

  /** The header of an array of one dimension, whose lower bound is 1. */
  #beginArray(oid: number, elements: number, mayHoldNull: boolean): void {
    this.#reserve(FRAME_BYTES);
    this.#parameterAt = this.length;
    this.length += 4;
    this.#int32(1);
    this.#int32(mayHoldNull ? 1 : 0);
    this.#int32(oid);
    this.#int32(elements);
    this.#int32(1);
  }

  #endParameter(): void {
    writeInt32(this.bytes, this.#parameterAt, this.length - this.#parameterAt - 4);
  }

  #int16(value: number): void {
    this.bytes[this.length++] = value >>> 8;
    this.bytes[this.length++] = value;
  }

  #int32(value: number): void {
    writeInt32(this.bytes, this.length, value);
    this.length += 4;
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.bytes.length) return;
    // What is needed is an estimate, of the most it may be; what has been written is what counts.
    this.#checkLength();
    if (this.#region !== undefined) {
      this.#region.seal();
      this.#spareRegion = this.#region;
      this.#region = undefined;
    }
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(this.bytes.length * 2, this.#maxBytes * 2)));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  #checkLength(): void {
    if (this.length > this.#maxBytes) throw tooMuchError(this.#maxBytes);
  }
}

function writeInt32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
