import { parentPort, workerData } from "node:worker_threads";
import { LocalFaultProxy } from "./local-fault-proxy.js";
import type { Answered, Asked, Order, ThreadSetup } from "./protocol.js";

/** Entry of the proxy's thread: starts one, says its port, and carries out orders. */
const { targetPort, options } = workerData as ThreadSetup;
const port = parentPort;
if (port === null) throw new Error("this module is the entry of a worker thread");
const answer = (answered: Answered): void => port.postMessage(answered);

async function carryOut(proxy: LocalFaultProxy, id: number, order: Order): Promise<Answered["result"]> {
  switch (order.name) {
    case "set":
      return void (await proxy.set(order.faults));
    case "clear":
      return void (await proxy.clear());
    case "cut":
      return proxy.cut();
    case "arm": {
      const { happened } = await proxy.arm(order.fault);
      void happened.then((result) => answer({ id, isFate: true, result }));
      return undefined;
    }
    case "statistics":
      return proxy.statistics();
    case "close":
      await proxy.close();
      // Nothing else keeps the thread alive once its sockets are gone.
      setImmediate(() => port?.close());
      return proxy.statistics();
  }
}

function answerOf(id: number, result: Answered["result"]): Answered {
  return result === undefined ? { id } : { id, result };
}

const proxy = await LocalFaultProxy.start(targetPort, options);
port.on("message", ({ id, order }: Asked) => {
  carryOut(proxy, id, order).then(
    (result) => answer(answerOf(id, result)),
    (error: Error) => answer({ id, error: error.message }),
  );
});
answer({ id: 0, result: proxy.port });
