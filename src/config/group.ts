import {
  type Field,
  type Fields,
  isPlainObject,
  pathOf,
  refuse,
  type Settings,
  type SettingsInput,
  shown,
} from "./field.js";
import { suggest } from "./suggest.js";

interface GroupSpec<F extends Fields> {
  readonly doc: string;
  /** Cross-field checks: each gives the complaint, or undefined when all is well. */
  readonly rules?: readonly ((settings: Settings<F>) => string | undefined)[];
}

export type Group<F extends Fields> = Field<Settings<F>, SettingsInput<F>> & { readonly fields: F };

/** Options that belong together. Unknown names are refused, absent ones get their default, the result is frozen. */
export function group<const F extends Fields>(fields: F, spec: GroupSpec<F>): Group<F> {
  const known = namesBelow(fields);
  return {
    fallback: settingsOf(fields, (_, field) => field.fallback),
    type: "group",
    limits: "",
    unit: "",
    doc: spec.doc,
    fields,
    read(received, path) {
      if (!isPlainObject(received)) return refuse(path, `must be a plain object of options; got ${shown(received)}`);
      for (const name of Object.keys(received)) {
        if (!Object.hasOwn(fields, name)) refuseUnknown(name, path, known);
      }
      const settings = settingsOf(fields, (name, field) => {
        const value = Object.hasOwn(received, name) ? received[name] : undefined;
        return value === undefined ? field.fallback : field.read(value, pathOf(path, name));
      });
      for (const rule of spec.rules ?? []) {
        const complaint = rule(settings);
        if (complaint !== undefined) refuse(path, complaint);
      }
      return settings;
    },
    show: (settings) => settingsOf(fields, (name, field) => field.show(settings[name as keyof F])),
  };
}

/** A group that `false` turns off. */
export function switchable<F extends Fields>(
  inner: Group<F>,
  spec: { readonly default: "on" | "off" },
): Field<Settings<F> | false, SettingsInput<F> | false> & { readonly fields: F } {
  return {
    fallback: spec.default === "on" ? inner.fallback : false,
    type: "group | false",
    limits: "",
    unit: "",
    doc: inner.doc,
    fields: inner.fields,
    read(received, path) {
      if (received === false) return false;
      if (!isPlainObject(received)) {
        return refuse(path, `must be a plain object of options or false; got ${shown(received)}`);
      }
      return inner.read(received, path);
    },
    show: (value) => (value === false ? false : inner.show(value)),
  };
}

/** Any number of items, in order; the default is none. */
export function list<Value, Input>(
  item: Field<Value, Input>,
  spec: { readonly max: number; readonly doc: string },
): Field<readonly Value[], readonly Input[]> {
  return {
    fallback: Object.freeze([]),
    type: `list of ${item.type}`,
    limits: `at most ${spec.max} items`,
    unit: "",
    doc: spec.doc,
    ...(item.fields === undefined ? {} : { fields: item.fields }),
    read(received, path) {
      if (!Array.isArray(received)) return refuse(path, `must be an array; got ${shown(received)}`);
      if (received.length > spec.max) {
        return refuse(path, `must have at most ${spec.max} items; got ${received.length}`);
      }
      return Object.freeze(Array.from(received, (entry: unknown, index) => item.read(entry, `${path}[${index}]`)));
    },
    show: (values) => values.map((value) => item.show(value)),
  };
}

/** Names that the caller chooses, each with a value of the same kind; the default is none. */
export function record<Value, Input>(
  item: Field<Value, Input>,
  spec: { readonly name: { readonly regex: RegExp; readonly meaning: string }; readonly doc: string },
): Field<Readonly<Record<string, Value>>, Readonly<Record<string, Input>>> {
  return {
    fallback: Object.freeze({}),
    type: `names to ${item.type}`,
    limits: `names: ${spec.name.meaning}`,
    unit: "",
    doc: spec.doc,
    read(received, path) {
      if (!isPlainObject(received)) return refuse(path, `must be a plain object; got ${shown(received)}`);
      const entries = Object.entries(received).map(([name, value]): [string, Value] => {
        if (!spec.name.regex.test(name)) refuse(path, `names must be ${spec.name.meaning}; got ${shown(name)}`);
        return [name, item.read(value, pathOf(path, name))];
      });
      return Object.freeze(Object.fromEntries(entries));
    },
    show: (values) => Object.fromEntries(Object.entries(values).map(([name, value]) => [name, item.show(value)])),
  };
}

function settingsOf<F extends Fields>(
  fields: F,
  read: (name: string, field: Field<unknown, unknown>) => unknown,
): Settings<F> {
  const entries = Object.entries(fields).map(([name, field]) => [name, read(name, field)] as const);
  // The keys are those of `fields` and each value was made by its own field.
  return Object.freeze(Object.fromEntries(entries)) as Settings<F>;
}

function refuseUnknown(name: string, path: string, known: readonly string[]): never {
  const near = suggest(name, known);
  const hint =
    near === undefined
      ? `; known here: ${known.filter((candidate) => !candidate.includes(".")).join(", ")}`
      : `; did you mean ${pathOf(path, near)}?`;
  return refuse(pathOf(path, name.length > 64 ? `${name.slice(0, 64)}…` : name), `there is no such option${hint}`);
}

/** Own names first, so that a tie goes to them; then those of nested groups as dotted paths. */
function namesBelow(fields: Fields): string[] {
  const nested = Object.entries(fields).flatMap(([name, field]) =>
    field.fields === undefined ? [] : namesBelow(field.fields).map((below) => `${name}.${below}`),
  );
  return [...Object.keys(fields), ...nested];
}
