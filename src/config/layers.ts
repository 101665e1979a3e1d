import { ConfigError } from "../core/errors.js";
import { isPlainObject, pathOf, refuse } from "./field.js";

/** Settings from one place. */
export interface Layer {
  /** For messages: the name of a file, a variable, a flag. */
  readonly nameOf: (path: string) => string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Settings from several places in one object; later layers win option by option. */
export class LayeredSettings {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly #whole: readonly string[];
  readonly #origins = new Map<string, string>();

  /** @param whole paths of options that are taken as they are, even where they are plain objects */
  constructor(layers: readonly Layer[], whole: readonly string[] = []) {
    this.#whole = whole;
    const merged: Record<string, unknown> = {};
    for (const layer of layers) this.#merge(merged, layer.settings, "", layer.nameOf);
    this.settings = merged;
  }

  /**
   * Has a table read the settings.
   *
   * @throws ConfigError that also says where the refused setting comes from
   */
  read<T>(table: (settings: Readonly<Record<string, unknown>>) => T): T {
    try {
      return table(this.settings);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const origin = this.#originOf(error.message);
      if (origin === undefined) throw error;
      return refuse("", `${error.message} (from ${origin})`, error);
    }
  }

  #merge(
    into: Record<string, unknown>,
    from: Readonly<Record<string, unknown>>,
    parent: string,
    nameOf: (path: string) => string,
  ): void {
    for (const [name, value] of Object.entries(from)) {
      if (value === undefined) continue;
      const path = pathOf(parent, name);
      // A group is merged into what an earlier layer said of it; a group that was turned off begins anew.
      const below = isPlainObject(value) && !this.#whole.includes(path);
      const before = Object.hasOwn(into, name) ? into[name] : undefined;
      const group: Record<string, unknown> = below && isPlainObject(before) ? { ...before } : {};
      if (below) this.#merge(group, value, path, nameOf);
      Object.defineProperty(into, name, {
        value: below ? group : value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
      this.#origins.set(path, nameOf(path));
    }
  }

  /** Messages begin with the option's path; a rule between options names only their group. */
  #originOf(message: string): string | undefined {
    let path = /^[^\s:]+/.exec(message)?.[0]?.replace(/\[\d+\].*$/, "") ?? "";
    for (;;) {
      const origin = this.#origins.get(path);
      if (origin !== undefined) return origin;
      const dot = path.lastIndexOf(".");
      if (dot < 0) return undefined;
      path = path.slice(0, dot);
    }
  }
}

/** `{ "batching.maxSize": 5 }` as `{ batching: { maxSize: 5 } }`. */
export function nested(settings: Iterable<readonly [path: string, value: unknown]>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [path, value] of settings) {
    const names = path.split(".");
    const last = names.pop()!;
    let group = root;
    for (const name of names) {
      const below = group[name];
      // The switch of a group comes before its options: `off` and then an option of it turn it on again.
      const next: Record<string, unknown> = isPlainObject(below) ? { ...below } : {};
      group[name] = next;
      group = next;
    }
    group[last] = value;
  }
  return root;
}
