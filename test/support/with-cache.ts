import type { Store } from "./stores.js";

/** The same store, with a read-through tier in every engine that is opened on it. */
export function withCache(store: Store): Store {
  return {
    ...store,
    place: async (t) => {
      const place = await store.place(t);
      return { ...place, open: (options = {}) => place.open({ cache: { maxBytes: 1024 * 1024 }, ...options }) };
    },
  };
}
