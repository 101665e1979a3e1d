import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CompressionBackend, GlideClient, type GlideString, TimeUnit } from "@valkey/valkey-glide";
import { atExit } from "../../src/testing/exit-cleanup.js";
import type { Peer } from "./peer.js";

/** The default of 1000 requests in flight would refuse the last of a load of 1000 tasks now and then. */
const IN_FLIGHT_LIMIT = 10_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Where it listens for its own client, whatever `TMPDIR` says. */
const SOCKET_FOLDER = "/tmp";

let removesSocket = false;

export class ValkeyGlidePeer implements Peer {
  readonly name: string;
  readonly packageName = "@valkey/valkey-glide";
  readonly format: Peer["format"];
  readonly #compresses: boolean;
  #client!: GlideClient;

  constructor(compression: "lz4" | "none" = "none") {
    this.#compresses = compression === "lz4";
    this.name = this.#compresses ? "valkey-glide+lz4" : "valkey-glide";
    this.format = this.#compresses ? "own" : "plain";
  }

  async connect(url: string): Promise<void> {
    const { hostname, port, username, password, pathname, protocol } = new URL(url);
    if (!removesSocket) {
      removesSocket = true;
      atExit(removeSocket);
    }
    this.#client = await GlideClient.createClient({
      addresses: [{ host: hostname, port: port === "" ? 6379 : Number(port) }],
      useTLS: protocol === "rediss:",
      databaseId: Number(pathname.slice(1)),
      requestTimeout: REQUEST_TIMEOUT_MS,
      inflightRequestsLimit: IN_FLIGHT_LIMIT,
      ...(this.#compresses ? { compression: { enabled: true, backend: CompressionBackend.LZ4 } } : {}),
      ...(password === ""
        ? {}
        : {
            credentials: {
              password: decodeURIComponent(password),
              ...(username === "" ? {} : { username: decodeURIComponent(username) }),
            },
          }),
    });
  }

  get(key: string): Promise<GlideString | null> {
    return this.#client.get(key);
  }

  put(key: string, value: string): Promise<unknown> {
    return this.#client.set(key, value);
  }

  putWithTtl(key: string, value: string, ttlMs: number): Promise<unknown> {
    return this.#client.set(key, value, { expiry: { type: TimeUnit.Milliseconds, count: ttlMs } });
  }

  delete(key: string): Promise<unknown> {
    return this.#client.unlink([key]);
  }

  async close(): Promise<void> {
    this.#client.close();
  }
}

/** One for all clients of a process, which it leaves behind. */
function removeSocket(): void {
  for (const name of readdirSync(SOCKET_FOLDER)) {
    if (name.startsWith(`glide-socket-${process.pid}-`)) rmSync(join(SOCKET_FOLDER, name), { force: true });
  }
}
