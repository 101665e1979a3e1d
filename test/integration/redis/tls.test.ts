import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { createEngine, type EngineOptions } from "../../../src/index.js";
import {
  makeCertificates,
  startRedis,
  startTlsRedis,
  type TlsRedis,
  temporaryFolder,
} from "../../../src/testing/index.js";
import { failureOf, nothingEscapes, settled } from "../../support/outcomes.js";
import { redisIsThere, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

async function openServer(t: TestScope, names?: readonly string[]): Promise<TlsRedis> {
  nothingEscapes(t);
  const server = await startTlsRedis(names);
  t.after(() => server.stop());
  return server;
}

async function connectFailure(options: EngineOptions) {
  const connectMs = 10_000;
  const startedMs = performance.now();
  const error = await failureOf(createEngine({ ...options, timeouts: { connectMs } }));
  assert.equal(error.code, "CONNECTION");
  assert.ok(performance.now() - startedMs < connectMs / 2, "it waited for its deadline");
  return error;
}

if (await redisIsThere("TLS")) {
  test("an engine works over TLS, small values and large, data and scans", async (t) => {
    const { url, certificates } = await openServer(t);
    const large = Buffer.alloc(3_000_000, "x").toString();
    // The authority as a file, then as text.
    for (const ca of [certificates.caFile, certificates.ca]) {
      const engine = await createEngine({ backend: url, tls: { ca }, compression: { codec: "none" } });
      const keys = Array.from({ length: 300 }, (_, index) => `key ${index}`);
      await Promise.all(keys.map((key) => engine.put(key, `value of ${key}`)));
      await engine.put("large", large);
      const values = await engine.batchGet(keys);
      assert.deepEqual(
        values.map(String),
        keys.map((key) => `value of ${key}`),
      );
      assert.equal(String(await engine.get("large")), large);
      assert.equal(await engine.count(), 301);
      assert.equal((await engine.healthCheck()).healthy, true);
      await engine.clear();
      await engine.close();
    }
  });

  test("a certificate of an authority that nobody named is refused, with the option that mends it", async (t) => {
    const { url } = await openServer(t);
    const error = await connectFailure({ backend: url });
    assert.deepEqual([error.reason, error.retryable], ["ERR_CERTIFICATE", false]);
    assert.match(error.message, /tls\.ca/);
    const engine = await createEngine({ backend: url, tls: { rejectUnauthorized: false } });
    await engine.put("key", "value");
    await engine.close();
  });

  test("a certificate and a key that do not belong together are told of like any other trouble with TLS", async (t) => {
    const { url, certificates } = await openServer(t);
    const folder = await temporaryFolder();
    t.after(() => folder.remove());
    const other = await makeCertificates(folder.path);
    const { ca, certFile } = certificates;
    for (const key of [other.keyFile, certFile]) {
      const error = await connectFailure({ backend: url, tls: { ca, cert: certFile, key } });
      assert.deepEqual([error.reason, error.retryable], ["ERR_CERTIFICATE", false]);
    }
  });

  test("a certificate for other names is refused, and accepted under the name that it has", async (t) => {
    const { url, certificates } = await openServer(t, ["DNS:cache.internal"]);
    const error = await connectFailure({ backend: url, tls: { ca: certificates.ca } });
    assert.equal(error.reason, "ERR_CERTIFICATE");
    assert.match(error.message, /tls\.servername/);
    const engine = await createEngine({ backend: url, tls: { ca: certificates.ca, servername: "cache.internal" } });
    await engine.put("key", "value");
    assert.equal(await engine.count(), 1);
    await engine.close();
  });

  test("TLS to a plain port and plain to a TLS port fail within connectMs and say which it is", async (t) => {
    const { port, certificates } = await openServer(t);
    const plain = await startRedis();
    t.after(() => plain.stop());
    const { ca } = certificates;
    const backend = `rediss://127.0.0.1:${plain.port}`;
    // Redis waits for the end of a line.
    const toRedis = await failureOf(createEngine({ backend, tls: { ca }, timeouts: { connectMs: 300 } }));
    assert.match(toRedis.message, /does not speak TLS/);
    const other = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    t.after(() => other.close());
    const { port: otherPort } = other.address() as AddressInfo;
    const toOther = await connectFailure({ backend: `rediss://127.0.0.1:${otherPort}`, tls: { ca } });
    assert.equal(toOther.reason, "ERR_CERTIFICATE");
    assert.match(toOther.message, /does not speak TLS/);
    const toTls = await connectFailure({ backend: `redis://127.0.0.1:${port}` });
    assert.match(toTls.message, /rediss:/);
  });

  test("a server that wants to see a certificate gets the client's", async (t) => {
    const { server, url, certificates } = await openServer(t);
    const { Redis } = await import("ioredis");
    const admin = new Redis(server.port, "127.0.0.1");
    await admin.config("SET", "tls-auth-clients", "yes");
    admin.disconnect();
    const { ca, certFile, keyFile } = certificates;
    const error = await connectFailure({ backend: url, tls: { ca } });
    assert.equal(error.reason, "ERR_CERTIFICATE");
    assert.match(error.message, /tls\.cert/);
    const engine = await createEngine({ backend: url, tls: { ca, cert: certFile, key: keyFile } });
    await engine.put("key", "value");
    assert.equal(await engine.count(), 1);
    await engine.close();
  });

  test("a certificate that no longer holds refuses calls with the reason until it does again", async (t) => {
    const { server, url, certificates } = await openServer(t);
    const engine = await createEngine({ backend: url, tls: { ca: certificates.ca } });
    t.after(() => engine.close());
    await engine.put("key", "value");
    const foreign = await temporaryFolder("millrace-foreign-");
    t.after(() => foreign.remove());
    const others = await makeCertificates(foreign.path);
    const { Redis } = await import("ioredis");
    const admin = new Redis(server.port, "127.0.0.1");
    t.after(() => admin.disconnect());
    await admin.call("CONFIG", "SET", "tls-cert-file", others.certFile, "tls-key-file", others.keyFile);
    await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until("calls are refused", async () => !(await settled(engine.get("key"))).ok);
    const error = await failureOf(engine.get("key"));
    assert.deepEqual([error.code, error.reason], ["CONNECTION", "ERR_CERTIFICATE"]);
    const { certFile, keyFile } = certificates;
    await admin.call("CONFIG", "SET", "tls-cert-file", certFile, "tls-key-file", keyFile);
    await until("calls are served", async () => (await settled(engine.get("key"))).ok);
  });

  test("options of TLS are checked with the others", async () => {
    const backend = "rediss://127.0.0.1:1";
    const missing = await failureOf(createEngine({ backend, tls: { ca: "/there/is/no/such/file.pem" } }));
    assert.deepEqual([missing.code, /tls\.ca/.test(missing.message)], ["CONFIG", true]);
    const plain = await failureOf(createEngine({ backend: "redis://127.0.0.1:1", tls: { ca: "x" } }));
    assert.match(plain.message, /rediss:/);
    const half = await failureOf(createEngine({ backend, tls: { cert: "x" } }));
    assert.match(half.message, /cert and key belong together/);
  });
}
