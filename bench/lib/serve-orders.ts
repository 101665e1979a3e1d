import { once } from "node:events";
import type { OrderHandlers, OrderMessage, OrderProcessMessage, OrderTable } from "./order-protocol.js";

/**
 * Makes this process that of one subject: it does what it is asked, one order after the other, until it is told to close.
 *
 * @param open makes the subject from what the process was started with (`OrderProcessOptions.start`)
 */
export async function serveOrders<Orders extends OrderTable<Orders>, Ready, Start>(
  open: (
    start: Start,
    progress: (text: string) => void,
  ) => Promise<{ readonly ready: Ready; readonly orders: OrderHandlers<Orders> }>,
): Promise<void> {
  const tell = (message: OrderProcessMessage<Ready>): void => {
    process.send!(message);
  };
  // The run may have been killed: nobody is left to measure for.
  process.on("disconnect", () => process.exit());
  // Ctrl-C reaches the run as well, which closes this one in its turn.
  process.on("SIGINT", () => {});
  const [start] = (await once(process, "message")) as [Start];
  try {
    const { ready, orders } = await open(start, (text) => tell({ kind: "progress", text }));
    process.on("message", async ({ id, name, order }: OrderMessage) => {
      try {
        const answer = await orders[name as keyof Orders](order as never);
        tell({ kind: "answer", id, answer });
        if (name === "close") process.disconnect();
      } catch (error) {
        tell({ kind: "failure", id, text: String((error as Error).stack) });
      }
    });
    tell({ kind: "ready", ready });
  } catch (error) {
    tell({ kind: "failure", id: null, text: (error as Error).message });
    process.disconnect();
  }
}
