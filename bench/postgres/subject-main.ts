import { collectYoungGarbage } from "../lib/garbage.js";
import type { OrderHandlers } from "../lib/order-protocol.js";
import { serveOrders } from "../lib/serve-orders.js";
import type { Load, SubjectFacts, SubjectOrders, SubjectStart } from "./subject-protocol.js";
import { openSubject, type Subject } from "./subjects.js";

function ordersOf(subject: Subject): OrderHandlers<SubjectOrders> {
  return {
    round: ({ load, durationMs }) => {
      collectYoungGarbage();
      return subject.loads[load]!(durationMs);
    },
    open: (order) => {
      if (subject.open === undefined) throw new Error("it is not offered operations by the clock");
      return subject.open(order);
    },
    close: async () => {
      await subject.close();
      return null;
    },
  };
}

await serveOrders<SubjectOrders, SubjectFacts, SubjectStart>(async (start) => {
  const subject = await openSubject(start);
  return { ready: { loads: Object.keys(subject.loads) as Load[] }, orders: ordersOf(subject) };
});
