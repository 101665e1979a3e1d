import { createEngine, type Engine } from "../../src/index.js";
import { nothingEscapes } from "./outcomes.js";
import { RespServer, type RespServerOptions } from "./resp-server.js";
import type { StoreOptions, TestScope } from "./stores.js";

interface Scene {
  readonly server: RespServer;
  readonly engine: Engine;
}

/** An engine on a server of this process that answers as the test wants. */
export async function openScene(
  t: TestScope,
  server: RespServerOptions = {},
  options: StoreOptions = {},
): Promise<Scene> {
  nothingEscapes(t);
  const resp = await RespServer.start(server);
  const engine = await createEngine({
    // What the wire itself reports: nothing is tried again, nothing held back.
    retry: { retries: 0, baseDelayMs: 0, maxDelayMs: 50 },
    circuitBreaker: false,
    ...options,
    backend: resp.url,
    keyPrefix: "",
  });
  t.after(async () => {
    await engine.close();
    await resp.close();
  });
  return { server: resp, engine };
}
