import type { ServerResponse } from "node:http";

/** Nothing from elsewhere runs in the page, nothing frames it, and nothing of it is kept by a cache. */
const SECURITY_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export const EVENT_STREAM = "text/event-stream; charset=utf-8";

export function json(status: number, content: unknown, headers?: Answer["headers"]): Answer {
  const answer = {
    status,
    type: "application/json; charset=utf-8",
    body: `${JSON.stringify(content, plainNumbers)}\n`,
  };
  return headers === undefined ? answer : { ...answer, headers };
}

export function text(status: number, body: string, headers?: Answer["headers"]): Answer {
  const answer = { status, type: "text/plain; charset=utf-8", body: `${body}\n` };
  return headers === undefined ? answer : { ...answer, headers };
}

export function send(response: ServerResponse, answer: Answer, withBody: boolean): void {
  const body = typeof answer.body === "string" ? Buffer.from(answer.body) : answer.body;
  response.writeHead(answer.status, {
    ...SECURITY_HEADERS,
    ...answer.headers,
    "content-type": answer.type,
    "content-length": body.length,
  });
  response.end(withBody ? body : undefined);
}

export function beginEventStream(response: ServerResponse): void {
  response.writeHead(200, {
    ...SECURITY_HEADERS,
    "content-type": EVENT_STREAM,
    // A proxy that gathers the answer before it passes it on would make the page stand still.
    "x-accel-buffering": "no",
  });
  response.flushHeaders();
}

/** A bigint would make `stringify` throw. An infinity it writes as null. */
function plainNumbers(_name: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value;
}
