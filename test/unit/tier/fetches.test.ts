import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Kind, Request } from "../../../src/backends/request.js";
import { keyHash } from "../../../src/core/key-hash.js";
import { Fetches } from "../../../src/tier/fetches.js";

test("reads under way are found, shared, ended and overtaken as a map of them would have it", () => {
  const step = fc.record({
    what: fc.constantFrom(
      "share" as const,
      "share" as const,
      "hand over" as const,
      "end" as const,
      "overtake" as const,
    ),
    key: fc.nat(2000).map((number) => `key ${number}`),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 500, maxLength: 3000, size: "max" }), (steps) => {
      const fetches = new Fetches();
      const model = new Map<string, { readonly request: Request; isWithStore: boolean }>();
      for (const { what, key } of steps) {
        const known = model.get(key);
        if (what === "share") {
          const request = new Request(Kind.get, key, undefined, 0, undefined, 0, 1000);
          const hash = keyHash(key);
          assert.equal(fetches.withStore(key, hash), known?.isWithStore === true ? known.request : undefined);
          fetches.begin(request, hash);
          if (known === undefined) model.set(key, { request, isWithStore: false });
        } else if (what === "overtake") {
          fetches.overtake(key, keyHash(key));
          model.delete(key);
        } else if (known !== undefined && what === "hand over") {
          fetches.handedOver(known.request);
          known.isWithStore = true;
        } else if (known !== undefined) {
          assert.equal(fetches.end(known.request), true);
          assert.equal(fetches.end(known.request), false);
          model.delete(key);
        }
      }
    }),
    { numRuns: 20 },
  );
});
