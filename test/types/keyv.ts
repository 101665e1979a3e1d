// Compiled, never run: Keyv takes the adapter as it is, whatever a service's compiler is told to be strict about.
import Keyv, { type KeyvStoreAdapter } from "keyv";
import { KeyvStore } from "../../src/adapters/keyv.js";

export const adapter: KeyvStoreAdapter = new KeyvStore("memory:");
export const keyvs: Keyv[] = [
  new Keyv(new KeyvStore("memory:")),
  new Keyv(new KeyvStore({ backend: "memory:" }), { namespace: "sessions" }),
  new Keyv({ store: new KeyvStore("memory:"), namespace: "sessions" }),
];

/** Without a Keyv around it. */
export async function typesOfAdapters(store: KeyvStore): Promise<void> {
  const value: string | undefined = await store.get("key");
  const values: (string | undefined)[] = await store.getMany(["key"]);
  await store.setMany([{ key: "key", value: "value", ttl: undefined }]);
  void [value, values];
}
