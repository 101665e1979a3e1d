import type { CanonicalKey } from "../../core/key.js";
import { keyHash } from "../../core/key-hash.js";
import type { Request } from "../request.js";
import { KeyHashes } from "./key-hashes.js";

/** Keys of which a batch reads something. What is asked of them is prepared at the first question. */
export class ReadKeys {
  readonly #groups: readonly (readonly Request[])[];
  #keys: Set<CanonicalKey> | undefined;
  #hashes: KeyHashes | undefined;

  constructor(...groups: readonly (readonly Request[])[]) {
    this.#groups = groups;
  }

  get isEmpty(): boolean {
    return this.#groups.every((group) => group.length === 0);
  }

  forEach(visit: (key: CanonicalKey) => void): void {
    for (const group of this.#groups) {
      for (let i = 0; i < group.length; i++) visit(group[i]!.key);
    }
  }

  some(matches: (key: CanonicalKey) => boolean): boolean {
    return this.#groups.some((group) => group.some(({ key }) => matches(key)));
  }

  has(key: CanonicalKey): boolean {
    if (this.#keys === undefined) {
      const keys = new Set<CanonicalKey>();
      this.forEach((read) => {
        keys.add(read);
      });
      this.#keys = keys;
    }
    return this.#keys.has(key);
  }

  get hashes(): KeyHashes {
    if (this.#hashes === undefined) {
      const hashes = new KeyHashes(this.#groups.reduce((sum, { length }) => sum + length, 0));
      this.forEach((key) => {
        hashes.add(keyHash(key));
      });
      this.#hashes = hashes;
    }
    return this.#hashes;
  }
}
