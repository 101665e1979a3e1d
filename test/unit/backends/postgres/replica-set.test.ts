import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { DriverContext } from "../../../../src/backends/contract.js";
import { ReplicaSet } from "../../../../src/backends/postgres/replica-set.js";
import type { PostgresAddress } from "../../../../src/config/postgres-url.js";
import { parsePostgresUrl } from "../../../../src/config/postgres-url.js";
import type { CanonicalKey } from "../../../../src/core/key.js";
import { until } from "../../../support/until.js";

const now = (): string => "now()";
const retry = { baseDelayMs: 10, maxDelayMs: 100, jitter: 0 };
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const context = { connectTimeoutMs: 1000, operationTimeoutMs: 1000, logger } as unknown as DriverContext;

function address(url: string): PostgresAddress {
  return parsePostgresUrl(url);
}

/** Answers with positions that grow. */
function growingLog(): { query<Row>(): Promise<readonly Row[]> } {
  let position = 0;
  return { query: async <Row>() => [{ position: `0/${(++position).toString(16)}`, ms: position }] as Row[] };
}

test("while no replica is in use, what was written is forgotten, and one that comes must have it first", async (t) => {
  const addresses = [address("postgres://nobody@127.0.0.1:1/none?sslmode=disable")];
  const replicas = new ReplicaSet({ addresses, maxLagMs: 50, retry, now }, growingLog(), context);
  t.after(() => replicas.close());
  const written = "a" as CanonicalKey;
  replicas.writes.add(written);
  await replicas.start();
  await until("the write is forgotten", () => !replicas.writes.mayLack(written, 0n));
  assert.ok(replicas.writes.floor > 0n);
});

test("nothing has been connected to when an address turns out to be unusable", async (t) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const good = address(`postgres://nobody@127.0.0.1:${port}/none?sslmode=disable`);
  const bad = address(`postgres://nobody@127.0.0.1:${port}/none?sslmode=require&sslrootcert=/nowhere.pem`);
  const replicas = new ReplicaSet({ addresses: [good, bad], maxLagMs: 1000, retry, now }, growingLog(), context);
  await assert.rejects(replicas.start(), { code: "CONFIG" });
  await delay(50);
  assert.equal(connections, 0);
  await replicas.close();
});
