import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Engine } from "../engine/engine-contract.js";
import { formatSloReport } from "../observability/slo-report.js";
import type { Access } from "./access.js";
import { type Answer, beginEventStream, EVENT_STREAM, json, send, text } from "./answer.js";
import { EventStream } from "./event-stream.js";
import type { LiveFeed } from "./live-feed.js";
import { readPageFiles } from "./page-files.js";
import type { ReadinessProbe } from "./readiness.js";

/** Each open page costs a message per sample; more than these are no people. */
const MAX_STREAMS = 32;
const READABLE_METHODS = ["GET", "HEAD"];

export interface ListenerParts {
  readonly engine: Engine;
  readonly feed: LiveFeed;
  readonly access: Access;
  readonly readiness: ReadinessProbe;
  readonly nowMs: () => number;
}

type Page = (accept: string) => Answer | Promise<Answer>;

/** Decides for each request what it gets: who asks, for what, by which method. */
export function requestListener(parts: ListenerParts): RequestListener {
  const { engine, access, readiness } = parts;
  const files = readPageFiles();
  const pages = new Map<string, Page>([
    ["/metrics", () => metrics(engine)],
    ["/slo", (accept) => slo(engine, accept)],
    ["/slow", () => json(200, engine.slowOperations())],
    ["/stats", () => json(200, engine.stats())],
  ]);
  pages.set("/", () => files.get("/")!);

  /** Orchestrators cannot always present a token: the verdict is for all, the reasons only for who may read. */
  const probes = new Map<string, (admitted: boolean) => Answer | Promise<Answer>>([
    ["/healthz", () => json(200, { status: "alive" })],
    [
      "/readyz",
      async (admitted) => {
        const { ready, ...reasons } = await readiness.read();
        return json(ready ? 200 : 503, admitted ? { ready, ...reasons } : { ready });
      },
    ],
  ]);

  const answerTo = async (request: IncomingMessage, path: string, query: URLSearchParams): Promise<Answer> => {
    // The page's own files hold no figures: the form that asks for the token needs its style.
    const file = path === "/" ? undefined : files.get(path);
    if (file !== undefined) return file;
    const admitted = access.admits(request);
    const probe = probes.get(path);
    if (probe !== undefined) return probe(admitted);
    const presented = query.get("token");
    if (presented !== null && access.isToken(presented)) {
      // The address bar and the history must not keep the token.
      const location = pages.has(path) ? path : "/";
      return text(303, "signed in", { location, "set-cookie": access.cookie() });
    }
    if (!admitted) return refusal(access, wantsPage(request) ? files.get("/page/sign-in.html") : undefined);
    const page = pages.get(path);
    if (page !== undefined) return page(request.headers.accept ?? "");
    return text(404, `there is no ${printable(path)} here; there is ${[...pages.keys(), ...probes.keys()].join(" ")}`);
  };

  return (request, response) => {
    const withBody = request.method !== "HEAD";
    const [path, query] = splitTarget(request.url ?? "/");
    // What a client sends along is not read; the connection is not used again, so that it is not taken for a request.
    if (request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined) {
      response.setHeader("connection", "close");
    }
    if (!READABLE_METHODS.includes(request.method ?? "")) {
      return send(response, text(405, "only GET and HEAD", { allow: READABLE_METHODS.join(", ") }), withBody);
    }
    if (path === "/events" && access.admits(request)) {
      return withBody
        ? stream(parts, request, response)
        : send(response, { status: 200, type: EVENT_STREAM, body: "" }, false);
    }
    answerTo(request, path, query).then(
      (answer) => send(response, answer, withBody),
      () => send(response, text(500, "the figures could not be read"), withBody),
    );
  };
}

function stream({ feed, nowMs }: ListenerParts, request: IncomingMessage, response: ServerResponse): void {
  if (feed.openStreams >= MAX_STREAMS) {
    const busy = text(503, `${MAX_STREAMS} live pages are open already`, { "retry-after": "30" });
    send(response, busy, true);
    return;
  }
  // Samples come for as long as the page is open; a reader that stops taking them is ended by the stream itself.
  request.socket.setTimeout(0);
  beginEventStream(response);
  const events = new EventStream(response, nowMs);
  response.on("close", () => feed.remove(events));
  feed.add(events);
}

async function metrics({ metrics: registry }: Engine): Promise<Answer> {
  const body = await registry.metrics();
  if (body.trim() === "") return text(404, "there are no metrics: the engine was opened with metrics: false");
  return { status: 200, type: registry.contentType, body };
}

/** JSON, or lines for people where a client asks for plain text alone. */
function slo(engine: Engine, accept: string): Answer {
  const report = engine.slo();
  return accept.startsWith("text/plain") ? text(200, formatSloReport(report)) : json(200, report);
}

function refusal(access: Access, signIn: Answer | undefined): Answer {
  if (!access.needsToken) {
    return text(403, "ask for this server by its address or as localhost: the Host header names another");
  }
  const headers = { "www-authenticate": 'Bearer realm="millrace"' };
  return signIn === undefined ? text(401, "a token is needed", headers) : { ...signIn, status: 401, headers };
}

function wantsPage(request: IncomingMessage): boolean {
  return (request.headers.accept ?? "").includes("text/html");
}

/** A target may be a whole URL, RFC 9112 3.2.2. */
function splitTarget(whole: string): [string, URLSearchParams] {
  const target = /^https?:\/\//i.test(whole) ? whole.replace(/^https?:\/\/[^/?]*/i, "") || "/" : whole;
  const at = target.indexOf("?");
  return at < 0 ? [target, new URLSearchParams()] : [target.slice(0, at), new URLSearchParams(target.slice(at + 1))];
}

function printable(path: string): string {
  return JSON.stringify(path.length > 64 ? `${path.slice(0, 64)}…` : path);
}
