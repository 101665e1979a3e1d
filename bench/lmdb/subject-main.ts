import { collectYoungGarbage } from "../lib/garbage.js";
import { serveOrders } from "../lib/serve-orders.js";
import type { SubjectFacts, SubjectOrders, SubjectStart } from "./subject-protocol.js";
import { openSubject } from "./subjects.js";

await serveOrders<SubjectOrders, SubjectFacts, SubjectStart>(async ({ name, folder }) => {
  const subject = await openSubject(name, folder);
  const kinds = (["put", "get"] as const).filter((kind) => subject[kind] !== undefined);
  return {
    ready: { kinds },
    orders: {
      round: ({ kind, inFlight, durationMs }) => {
        collectYoungGarbage();
        return subject[kind]!(inFlight, durationMs);
      },
      close: async () => {
        await subject.close();
        return null;
      },
    },
  };
});
