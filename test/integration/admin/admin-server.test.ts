import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import {
  type AdminServer,
  type AdminServerOptions,
  ConfigError,
  ConnectionError,
  createAdminServer,
  createEngine,
  type Engine,
  type EngineOptions,
} from "../../../src/index.js";
import { freePort, startRedis } from "../../../src/testing/index.js";
import { redisIsThere } from "../../support/stores.js";
import { until } from "../../support/until.js";

const TOKEN = "a-token-of-enough-letters";

async function serve(
  t: TestContext,
  options: AdminServerOptions = {},
  engineOptions: EngineOptions = { backend: "memory:" },
): Promise<{ engine: Engine; admin: AdminServer }> {
  const engine = await createEngine(engineOptions);
  const admin = await createAdminServer(engine, options);
  t.after(async () => {
    await admin.close();
    await engine.close();
  });
  return { engine, admin };
}

interface Got {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** By node:http, because fetch does not let a test choose the Host header. */
async function ask(url: string, headers: Record<string, string> = {}, method = "GET"): Promise<Got> {
  const sent = request(url, { method, headers, agent: false });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

test("serves statistics, health and readiness of an engine under load", async (t) => {
  const { engine, admin } = await serve(t);
  await Promise.all(Array.from({ length: 100 }, (_, index) => engine.put(`key-${index}`, "value")));
  await engine.get("key-1");

  const stats = await ask(`${admin.url}/stats`);
  assert.equal(stats.status, 200);
  assert.match(String(stats.headers["content-type"]), /^application\/json/);
  const read = JSON.parse(stats.body) as { operationsTotal: number; latency: Record<string, { count: number }> };
  assert.equal(read.operationsTotal, engine.stats().operationsTotal);
  assert.equal(read.latency.put?.count, 100);
  assert.deepEqual(JSON.parse((await ask(`${admin.url}/healthz`)).body), { status: "alive" });
  const ready = await ask(`${admin.url}/readyz`);
  assert.equal(ready.status, 200);
  assert.equal((JSON.parse(ready.body) as { ready: boolean }).ready, true);
});

test("serves metrics, objectives and slow operations, and no value", async (t) => {
  const slo = [{ operation: "put", percentile: 99, latencyMs: 50 } as const];
  const { engine, admin } = await serve(t, {}, { backend: "memory:", slo, slowLog: { thresholdMs: 0 } });
  await engine.put("key", "a value that is shown nowhere");
  const metrics = await ask(`${admin.url}/metrics`);
  assert.match(String(metrics.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.body, /^state_operations_total\{operation="put",status="success",backend="memory"\} 1$/m);
  const report = await ask(`${admin.url}/slo`);
  assert.equal((JSON.parse(report.body) as { objectives: { operation: string }[] }).objectives[0]?.operation, "put");
  assert.match((await ask(`${admin.url}/slo`, { accept: "text/plain" })).body, /^put p99 <= 50 ms: met$/m);
  const slow = await ask(`${admin.url}/slow`);
  assert.deepEqual(JSON.parse(slow.body), engine.slowOperations());
  for (const { body } of [metrics, report, slow, await ask(`${admin.url}/stats`)]) {
    assert.doesNotMatch(body, /shown nowhere/);
  }
});

test("has no metrics where the engine keeps none", async (t) => {
  const { admin } = await serve(t, {}, { backend: "memory:", metrics: false });
  const { status, body } = await ask(`${admin.url}/metrics`);
  assert.equal(status, 404);
  assert.match(body, /metrics: false/);
});

test("is not ready once the engine closes, and stays alive", async (t) => {
  const { engine, admin } = await serve(t);
  assert.equal((await ask(`${admin.url}/readyz`)).status, 200);
  await engine.close();
  const { status, body } = await ask(`${admin.url}/readyz`);
  assert.equal(status, 503);
  assert.match(body, /"engine","ok":false,"detail":"closing"/);
  assert.equal((await ask(`${admin.url}/healthz`)).status, 200);
});

test("lets nothing from elsewhere run in its page, and keeps nothing in caches", async (t) => {
  const { admin } = await serve(t);
  for (const path of ["/", "/stats", "/page/main.js", "/nowhere"]) {
    const { headers } = await ask(admin.url + path);
    assert.match(String(headers["content-security-policy"]), /default-src 'none'; script-src 'self';/, path);
    assert.equal(headers["cache-control"], "no-store", path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
    assert.equal(headers["x-frame-options"], "DENY", path);
  }
  const page = await ask(`${admin.url}/`);
  assert.match(page.headers["content-type"] ?? "", /^text\/html/);
  // Everything the page loads is on this server.
  assert.doesNotMatch(page.body, /(?:src|href)="(?!\/)/);
  assert.match((await ask(`${admin.url}/page/main.js`)).headers["content-type"] ?? "", /^text\/javascript/);
  assert.match((await ask(`${admin.url}/page/page.css`)).headers["content-type"] ?? "", /^text\/css/);
});

test("answers what it does not know or does not do with the status that says so", async (t) => {
  const { admin } = await serve(t);
  const unknown = await ask(`${admin.url}/metricz`);
  assert.equal(unknown.status, 404);
  assert.match(unknown.body, /"\/metricz".*\/stats/);
  for (const path of ["/page/../main.js", "/page/%2e%2e/answer.js", "/page/", "//evil.example/", "/constructor"]) {
    assert.equal(await rawStatus(admin, path), 404, path);
  }
  assert.equal(await rawStatus(admin, `${admin.url}/healthz`), 200, "a whole URL is a target too");
  assert.equal(await rawStatus(admin, admin.url), 200);
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const { status, headers } = await ask(`${admin.url}/stats`, {}, method);
    assert.deepEqual([status, headers.allow], [405, "GET, HEAD"], method);
  }
  const head = await ask(`${admin.url}/stats`, {}, "HEAD");
  assert.deepEqual([head.status, head.body], [200, ""]);
  assert.ok(Number(head.headers["content-length"]) > 100);
  const events = await ask(`${admin.url}/events`, {}, "HEAD");
  assert.deepEqual([events.status, events.headers["content-type"]], [200, "text/event-stream; charset=utf-8"]);
});

/** The status of a path that no client would send as it stands. */
async function rawStatus(admin: AdminServer, path: string): Promise<number> {
  const socket = connect(admin.port, admin.host);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${admin.host}\r\nConnection: close\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return Number(answer.split(" ")[1]);
}

test("with a token shows figures only to whoever presents it, and never the token", async (t) => {
  const { admin } = await serve(t, { token: TOKEN });
  for (const path of ["/", "/stats", "/events", "/nowhere"]) {
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { authorization: TOKEN },
      { cookie: `millrace_admin=${TOKEN}` },
    ]) {
      const { status, headers: got } = await ask(admin.url + path, headers as Record<string, string>);
      assert.equal(status, 401, path);
      assert.match(got["www-authenticate"] ?? "", /^Bearer/);
    }
  }
  assert.equal((await ask(`${admin.url}/stats`, { authorization: `Bearer ${TOKEN}` })).status, 200);
  const form = await ask(`${admin.url}/`, { accept: "text/html" });
  assert.equal(form.status, 401);
  assert.match(form.body, /<form method="get" action="\/"/);
  assert.equal((await ask(`${admin.url}/page/page.css`)).status, 200, "the form has its style");

  const signIn = await ask(`${admin.url}/?token=${TOKEN}`);
  assert.deepEqual([signIn.status, signIn.headers.location], [303, "/"]);
  const [cookie] = signIn.headers["set-cookie"] ?? [];
  assert.match(cookie ?? "", /HttpOnly; SameSite=Strict$/);
  assert.doesNotMatch(cookie ?? "", new RegExp(TOKEN));
  assert.equal((await ask(`${admin.url}/stats`, { cookie: cookie!.split(";")[0]! })).status, 200);
  assert.equal((await ask(`${admin.url}//evil.example?token=${TOKEN}`)).headers.location, "/");
});

test("tells orchestrators without a token whether it is ready, and not why", async (t) => {
  const { admin } = await serve(t, { token: TOKEN });
  assert.equal((await ask(`${admin.url}/healthz`)).status, 200);
  assert.deepEqual(JSON.parse((await ask(`${admin.url}/readyz`)).body), { ready: true });
  const full = await ask(`${admin.url}/readyz`, { authorization: `Bearer ${TOKEN}` });
  assert.match(full.body, /"checks"/);
});

test("without a token refuses a name that is not its own, so that no foreign page reads it through the browser", async (t) => {
  const { admin } = await serve(t);
  const foreign = await ask(`${admin.url}/stats`, { host: "rebound.example:80" });
  assert.equal(foreign.status, 403);
  for (const host of [`localhost:${admin.port}`, "127.0.0.1", "[::1]:80"]) {
    assert.equal((await ask(`${admin.url}/stats`, { host })).status, 200, host);
  }
});

test("refuses at the door what would leave it open by mistake", async () => {
  const engine = await createEngine("memory:");
  const refused = async (options: object, pattern: RegExp): Promise<void> => {
    await assert.rejects(createAdminServer(engine, options), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, pattern);
      return true;
    });
  };
  await refused({ host: "0.0.0.0" }, /0\.0\.0\.0.*other machines.*token/);
  await refused({ ports: 80 }, /did you mean port/);
  await refused({ port: 65_536 }, /0\.\.65535/);
  await refused({ token: "hunter2" }, /16\.\.256 visible.*7 characters/);
  await refused({ token: "hunter2hunter2 hunter2" }, /^(?!.*hunter2)/);
  await engine.close();
});

test("says by name which address it cannot listen on", async (t) => {
  const { admin, engine } = await serve(t);
  await assert.rejects(createAdminServer(engine, { port: admin.port }), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.equal(error.reason, "ERR_LISTEN");
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${admin.port} \\(EADDRINUSE\\)`));
    return true;
  });
});

test("streams one sample after the other, with what was before them", async (t) => {
  const { engine, admin } = await serve(t, { sampleMs: 100, title: "orders" });
  await engine.put("key", "value");
  const abort = new AbortController();
  t.after(() => abort.abort());
  const response = await fetch(`${admin.url}/events`, { signal: abort.signal });
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  let received = "";
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  while ((received.match(/^event: sample$/gm) ?? []).length < 2) {
    const { value, done } = await reader.read();
    assert.equal(done, false);
    received += decoder.decode(value, { stream: true });
  }
  assert.match(received, /^event: welcome\ndata: \{"facts":\{"title":"orders"/);
  assert.match(received, /^event: detail$/m);
  const [, sample] = /^event: sample\ndata: (.*)$/m.exec(received)!;
  assert.equal((JSON.parse(sample!) as { operationsTotal: number }).operationsTotal, 1);
});

test("lets a reader have the rest of an answer when it closes", async (t) => {
  const { engine, admin } = await serve(t, {}, { backend: "memory:", slowLog: { thresholdMs: 1, capacity: 10_000 } });
  t.mock.method(engine, "slowOperations", () => Array.from({ length: 100_000 }, () => ({ text: "x".repeat(90) })));
  const sent = request(`${admin.url}/slow`, { agent: false });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const closed = admin.close();
  let bytes = 0;
  for await (const chunk of response) bytes += (chunk as Buffer).length;
  assert.equal(bytes, Number(response.headers["content-length"]));
  await closed;
});

test("holds no more live streams open than it says, and another one when one has ended", async (t) => {
  const { admin } = await serve(t);
  const aborts = Array.from({ length: 33 }, () => new AbortController());
  t.after(() => {
    for (const abort of aborts) abort.abort();
  });
  const open = async (abort: AbortController): Promise<Response> =>
    fetch(`${admin.url}/events`, { signal: abort.signal });
  for (const abort of aborts.slice(0, 32)) assert.equal((await open(abort)).status, 200);
  const refused = await open(aborts[32]!);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "30"]);
  assert.match(await refused.text(), /32 live pages are open already/);
  aborts[0]!.abort();
  await until("a place is free", async () => (await open(aborts[32]!)).status === 200);
});

test("ends live streams and idle connections when it closes, and can be closed twice", async (t) => {
  const { admin } = await serve(t, { sampleMs: 100 });
  const response = await fetch(`${admin.url}/events`);
  const streamed = response.text();
  const idle = connect(admin.port, admin.host);
  await once(idle, "connect");
  idle.resume();
  const ended = once(idle, "close");
  await Promise.all([admin.close(), admin.close()]);
  assert.match(await streamed, /event: welcome/);
  await ended;
  await assert.rejects(fetch(admin.url));
});

if (await redisIsThere("readiness")) {
  test("is not ready while the store does not answer, and is again when it does", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const { admin } = await serve(t, {}, { backend: server.url, timeouts: { operationMs: 300 } });
    assert.equal((await ask(`${admin.url}/readyz`)).status, 200);
    server.pause();
    await until("the probe fails", async () => (await ask(`${admin.url}/readyz`)).status === 503);
    const { body } = await ask(`${admin.url}/readyz`);
    assert.match(body, /"store","ok":false/);
    server.resume();
    await until("the probe succeeds", async () => (await ask(`${admin.url}/readyz`)).status === 200);
  });

  test("says that it is not ready where the store takes longer than a probe may", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    const { admin } = await serve(t, {}, { backend: server.url, timeouts: { operationMs: 20_000 } });
    server.pause();
    const { status, body } = await ask(`${admin.url}/readyz`);
    server.resume();
    assert.equal(status, 503);
    assert.match(body, /no answer within 2000 ms/);
  });

  test("is not ready while the circuit is open", async (t) => {
    const port = await freePort();
    const server = await startRedis({ port });
    t.after(() => server.stop());
    const { engine, admin } = await serve(
      t,
      {},
      {
        backend: server.url,
        timeouts: { operationMs: 200 },
        retry: { retries: 0 },
        circuitBreaker: { failures: 2, resetMs: 60_000 },
      },
    );
    server.pause();
    await Promise.allSettled([engine.get("a"), engine.get("b"), engine.get("c")]);
    await until("the circuit opens", async () => {
      await engine.get("d").catch(() => {});
      return engine.stats().circuit === "open";
    });
    await until("the probe sees it", async () =>
      /"circuit","ok":false,"detail":"open"/.test((await ask(`${admin.url}/readyz`)).body),
    );
    server.resume();
  });
}
