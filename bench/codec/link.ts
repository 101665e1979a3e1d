import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { LinkSetup } from "./link-thread.js";

/** A slow line to a server. */
export interface Link {
  readonly port: number;
  close(): Promise<void>;
}

export async function openLink(setup: LinkSetup): Promise<Link> {
  const worker = new Worker(new URL("./link-thread.js", import.meta.url), { workerData: setup });
  // Rejects when the thread fails first.
  const [port] = (await once(worker, "message")) as [number];
  return {
    port,
    async close() {
      const exited = once(worker, "exit");
      worker.postMessage("close");
      await exited;
    },
  };
}
