import { type Fields, pathOf } from "./field.js";

/** One option as documentation lists it. */
export interface OptionRow {
  /** Dotted path, such as `batching.maxSize`. */
  readonly path: string;
  readonly type: string;
  readonly default: string;
  readonly limits: string;
  readonly doc: string;
}

/** All options of a table in order, each group before its own. */
export function describe(fields: Fields, parent = ""): OptionRow[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = pathOf(parent, name);
    const on = field.fields !== undefined && field.fallback !== false;
    const row: OptionRow = {
      path,
      type: field.type,
      default: on && !Array.isArray(field.fallback) ? "" : shownDefault(field.show(field.fallback), field.unit),
      limits: [field.limits, field.unit].filter((part) => part !== "").join(" "),
      doc: field.doc,
    };
    const below = field.type.startsWith("list of") ? `${path}[]` : path;
    return field.fields === undefined ? [row] : [row, ...describe(field.fields, below)];
  });
}

function shownDefault(value: unknown, unit: string): string {
  if (value === undefined) return "none";
  if (typeof value !== "number") return typeof value === "string" ? `'${value}'` : JSON.stringify(value);
  if (unit !== "bytes" || value < 1024 || value % 1024 !== 0) return String(value);
  return value % 1_048_576 === 0 ? `${value / 1_048_576} MiB` : `${value / 1024} KiB`;
}
