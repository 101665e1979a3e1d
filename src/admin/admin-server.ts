import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, Server as NetServer } from "node:net";
import { type Clock, systemClock } from "../core/clock.js";
import { ConnectionError } from "../core/errors.js";
import type { Engine } from "../engine/engine-contract.js";
import { Access } from "./access.js";
import { type AdminServerOptions, parseAdminOptions } from "./admin-options.js";
import { AnswersUnderWay } from "./answers-under-way.js";
import { liveDetail } from "./live-detail.js";
import { LiveFeed } from "./live-feed.js";
import { ReadinessProbe } from "./readiness.js";
import { requestListener } from "./request-listener.js";

const MAX_CONNECTIONS = 128;
const HEADER_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5000;
const IDLE_SOCKET_MS = 30_000;
const MAX_HEADER_BYTES = 8192;
/** How long answers under way may take once the server is told to close. */
const CLOSE_GRACE_MS = 1000;

export interface AdminServer extends AsyncDisposable {
  /** `http://host:port`, without a token. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Ends live streams, lets answers under way finish for a second, then closes every connection. Idempotent. */
  close(): Promise<void>;
}

/**
 * Serves an engine's health, metrics and live page over HTTP: `/`, `/metrics`, `/healthz`, `/readyz`, `/slo`, `/slow`,
 * `/stats`. It reads from the engine and changes nothing in it; whoever closes the engine closes the server too.
 * Like any server it keeps the process alive until it is closed.
 *
 * @throws ConfigError for options that make no sense, among them a host beyond this machine without a token;
 *   ConnectionError (`ERR_LISTEN`) when the address cannot be listened on
 */
export async function createAdminServer(engine: Engine, options: AdminServerOptions = {}): Promise<AdminServer> {
  return openAdminServer(engine, options, systemClock);
}

export async function openAdminServer(engine: Engine, options: AdminServerOptions, clock: Clock): Promise<AdminServer> {
  const { host, port, token, title, sampleMs } = parseAdminOptions(options);
  const facts = {
    title,
    startedAtMs: clock.wallMs(),
    sampleMs,
    processId: process.pid,
    nodeVersion: process.version,
  };
  const readiness = new ReadinessProbe(engine, clock);
  const feed = new LiveFeed(engine, facts, () => liveDetail(engine, readiness), clock);
  const listener = requestListener({
    engine,
    feed,
    access: new Access(token, host),
    readiness,
    nowMs: () => clock.monotonicMs(),
  });
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADER_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1000,
    },
    listener,
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(IDLE_SOCKET_MS);
  try {
    await listen(server, host, port);
  } catch (error) {
    feed.close();
    throw error;
  }
  return new ListeningServer(server, feed, host);
}

class ListeningServer implements AdminServer {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly #server: Server;
  readonly #feed: LiveFeed;
  readonly #answers: AnswersUnderWay;
  #closing: Promise<void> | undefined;

  constructor(server: Server, feed: LiveFeed, host: string) {
    this.#answers = new AnswersUnderWay(server);
    this.#server = server;
    this.#feed = feed;
    this.host = host;
    this.port = (server.address() as AddressInfo).port;
    this.url = `http://${host.includes(":") ? `[${host}]` : host}:${this.port}`;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, "close");
    // An HTTP server that closes ends connections whose answer has been handed over and not sent yet, so first it only
    // stops to listen.
    NetServer.prototype.close.call(this.#server);
    this.#feed.close();
    await this.#answers.sent(CLOSE_GRACE_MS);
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    const listening = once(server, "listening");
    server.listen({ host, port });
    await listening;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new ConnectionError(`the admin server cannot listen on ${host}:${port} (${code})`, {
      operation: "createAdminServer",
      reason: "ERR_LISTEN",
      cause: error,
    });
  }
}
