import { type Field, MASK, refuse, shown } from "./field.js";

type Given<T> = Exclude<T, undefined>;

interface Bounds<D> {
  readonly min: number;
  readonly max: number;
  /** Always accepted as input too, so that `null` or a word such as `'auto'` may stand for "none" or "you choose". */
  readonly default: D;
  readonly doc: string;
  readonly unit?: string;
}

type NumberField<D> = Field<number | D, Given<number | D>>;

/** A whole number within bounds. */
export function integer<const D extends number | string | null | undefined>(spec: Bounds<D>): NumberField<D> {
  return numeric(spec, "integer", "a whole number", Number.isInteger);
}

/** Any finite number within bounds. */
export function number<const D extends number | string | null | undefined>(spec: Bounds<D>): NumberField<D> {
  return numeric(spec, "number", "a number", Number.isFinite);
}

/** A time span in whole milliseconds. */
export function duration<const D extends number | null | undefined>(spec: Bounds<D>): NumberField<D> {
  return integer({ ...spec, unit: "ms" });
}

/** An amount of memory in whole bytes. */
export function bytes<const D extends number | null | undefined>(spec: Bounds<D>): NumberField<D> {
  return integer({ ...spec, unit: "bytes" });
}

function numeric<D extends number | string | null | undefined>(
  spec: Bounds<D>,
  type: string,
  noun: string,
  fits: (value: number) => boolean,
): NumberField<D> {
  const unit = spec.unit ?? "";
  const limits = `${spec.min}..${spec.max}`;
  const word = typeof spec.default === "string" || spec.default === null ? literal(spec.default) : undefined;
  const allowed = `${word === undefined ? "" : `${word} or `}${noun}${unit === "" ? "" : ` of ${unit}`} in ${limits}`;
  return {
    fallback: spec.default,
    type: word === undefined ? type : `${type} | ${word}`,
    limits,
    unit,
    doc: spec.doc,
    read(received, path) {
      if (received === spec.default) return spec.default;
      const good = typeof received === "number" && fits(received) && received >= spec.min && received <= spec.max;
      return good ? received : refuse(path, `must be ${allowed}; got ${shown(received)}`);
    },
    show: (value) => value,
  };
}

export function boolean(spec: { readonly default: boolean; readonly doc: string }): Field<boolean> {
  return {
    ...oneOf([true, false], spec),
    type: "boolean",
  };
}

export function oneOf<const T extends string | boolean, D extends T>(
  choices: readonly T[],
  spec: { readonly default: D; readonly doc: string },
): Field<T> {
  const type = choices.map(literal).join(" | ");
  return {
    fallback: spec.default,
    type,
    limits: "",
    unit: "",
    doc: spec.doc,
    read(received, path) {
      const choice = choices.find((candidate) => candidate === received);
      return choice ?? refuse(path, `must be one of ${type}; got ${shown(received)}`);
    },
    show: (value) => value,
  };
}

interface StringSpec<D> {
  readonly default: D;
  readonly doc: string;
  readonly maxBytes: number;
  readonly pattern?: { readonly regex: RegExp; readonly meaning: string };
  /** True: the value is masked in every message and dump. */
  readonly secret?: boolean;
}

export function string<D extends string | null | undefined>(spec: StringSpec<D>): Field<string | D, Given<string | D>> {
  const limits = `${spec.pattern === undefined ? "" : `${spec.pattern.meaning}, `}at most ${spec.maxBytes} bytes`;
  const allowed = `${spec.default === null ? "null or " : ""}a string (${limits})`;
  return {
    fallback: spec.default,
    type: spec.default === null ? "string | null" : "string",
    limits,
    unit: "",
    doc: spec.doc,
    read(received, path) {
      if (received === spec.default) return spec.default;
      const got = (text: string) => `must be ${allowed}; got ${spec.secret === true ? MASK : text}`;
      if (typeof received !== "string") return refuse(path, got(shown(received)));
      if (/\p{Surrogate}/u.test(received)) return refuse(path, got("text with a lone surrogate"));
      const size = Buffer.byteLength(received);
      if (size > spec.maxBytes) return refuse(path, got(`${size} bytes`));
      return spec.pattern?.regex.test(received) === false ? refuse(path, got(shown(received))) : received;
    },
    show: (value) => (spec.secret === true && value != null ? MASK : value),
  };
}

function literal(value: string | boolean | null): string {
  return typeof value === "string" ? `'${value}'` : String(value);
}
