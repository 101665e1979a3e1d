/**
 * `pg` makes a string of each column, in hexadecimal, and no string has more than 2^29 characters: one that would be longer
 * ends the process, because it is made where nobody catches anything.
 */
const PIECE_BYTES = 128 << 20;

/** Columns that come to a value, for statements through `pg`: each is a piece of it that `pg` can hold. */
export class ValueColumns {
  readonly #wantedBytes: number;
  readonly #pieceBytes: number;
  readonly #names: readonly string[];

  /** @param maxBytes a longer value comes one byte longer than this: it is known to be one and not read to its end */
  constructor(maxBytes: number, pieceBytes = PIECE_BYTES) {
    this.#wantedBytes = maxBytes + 1;
    this.#pieceBytes = pieceBytes;
    const count = Math.ceil(this.#wantedBytes / pieceBytes);
    this.#names = Array.from({ length: count }, (_, i) => `value_${i}`);
  }

  /** @param value an expression of type `bytea` */
  sql(value: string): string {
    const pieces = this.#names.map((name, i) => {
      const from = i * this.#pieceBytes;
      const bytes = Math.min(this.#pieceBytes, this.#wantedBytes - from);
      const piece = `substring(${value} FROM ${from + 1} FOR ${bytes})`;
      // Most are read whole, without a copy.
      return `${i > 0 ? piece : `CASE WHEN octet_length(${value}) <= ${bytes} THEN ${value} ELSE ${piece} END`} AS ${name}`;
    });
    return pieces.join(", ");
  }

  /** The value of a row that has these columns. */
  valueOf(row: object): Buffer {
    const pieces = this.#names.map((name) => (row as Record<string, Buffer>)[name]!).filter(({ length }) => length > 0);
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }
}
