import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Batch } from "../../src/backends/batch.js";
import type { Lane } from "../../src/backends/redis/lane.js";
import { ReplicaReads } from "../../src/backends/redis/replicas/replica-reads.js";
import type { ChosenReplica } from "../../src/backends/redis/replicas/replica-set.js";
import { RecentWrites } from "../../src/backends/replicas/recent-writes.js";
import { Kind, Request } from "../../src/backends/request.js";
import { ConnectionError } from "../../src/core/errors.js";

const KEYS = 5;
const REPLICAS = 2;
const FAILED = new ConnectionError("the replica is lost", { retryable: true });

/** A server with a clock that all servers share: it works off what was sent to it, in its order, when it is told to. */
class Server {
  readonly due: Batch[] = [];
  readonly address = { host: "server", port: 1 };
  sent = 0;
  isFresh = true;
  /** Keys whose writes have not come to it. */
  readonly lacks = new Set<string>();
  readonly #clock: { now: number };

  constructor(clock: { now: number }) {
    this.#clock = clock;
  }

  get lane(): Lane {
    return this as unknown as Lane;
  }

  send(batch: Batch): void {
    this.sent++;
    this.due.push(batch);
  }

  hasAnswered(sent: number): boolean {
    return this.sent - this.due.length >= sent;
  }

  /** Answers what is first; of damaged values the first is one. */
  work(isDamaged: boolean): void {
    const batch = this.due.shift();
    if (batch === undefined) return;
    let damaged = isDamaged ? batch.reads[0] : undefined;
    for (const leader of batch.leaders()) {
      const now = ++this.#clock.now;
      if (leader === damaged) batch.fail(leader, FAILED);
      else batch.succeed(leader, now);
      if (leader === damaged) damaged = undefined;
    }
    batch.complete();
  }

  lose(): void {
    for (const batch of this.due.splice(0)) {
      for (const leader of batch.leaders()) batch.fail(leader, FAILED);
      batch.complete();
    }
  }
}

interface Step {
  readonly kind:
    | "get"
    | "contains"
    | "ttl"
    | "put"
    | "contains, get"
    | "work"
    | "damage"
    | "lose"
    | "follow"
    | "freshness";
  readonly keys: readonly number[];
  readonly server: number;
}

const STEPS = fc.array(
  fc.record<Step>({
    kind: fc.oneof(
      { weight: 6, arbitrary: fc.constant("get" as const) },
      { weight: 6, arbitrary: fc.constant("work" as const) },
      { weight: 2, arbitrary: fc.constant("follow" as const) },
      { weight: 3, arbitrary: fc.constantFrom("put", "freshness", "contains", "ttl", "contains, get") },
      { weight: 1, arbitrary: fc.constantFrom("damage", "lose") },
    ),
    keys: fc.uniqueArray(fc.nat(KEYS - 1), { minLength: 1, maxLength: 3 }),
    server: fc.nat(REPLICAS),
  }),
  { minLength: 20, maxLength: 60 },
);

test("what is asked of a key takes effect in the order of the calls, whichever of several servers answers", () => {
  let byReplicas = 0;
  fc.assert(
    fc.property(STEPS, (steps) => {
      const clock = { now: 0 };
      const primary = new Server(clock);
      const replicas = Array.from({ length: REPLICAS }, () => new Server(clock));
      const servers = [primary, ...replicas];
      const writes = new RecentWrites();
      const noteWrite = writes.add.bind(writes);
      writes.add = (key) => {
        for (const replica of replicas) replica.lacks.add(key);
        noteWrite(key);
      };
      let turn = 0;
      const chosen = (replica: Server): ChosenReplica | undefined =>
        replica.isFresh ? { lane: replica.lane, mayLack: (key) => replica.lacks.has(key) } : undefined;
      const reads = new ReplicaReads({
        replicas: {
          choose: () => chosen(replicas[turn++ % REPLICAS]!) ?? chosen(replicas[turn++ % REPLICAS]!),
          over: (lane) => chosen(replicas.find((replica) => replica.lane === lane)!),
          writes,
          patienceMs: 1_000_000,
        },
        lanes: () => [primary.lane],
        notConnected: () => FAILED,
        codec: { isIntact: () => true },
        onBatchEnded: () => {},
      });
      const called: Request[] = [];
      const effects = new Map<Request, number>();
      let ended = 0;
      const call = (fill: (batch: Batch, key: string) => void, keys: readonly number[]): void => {
        const batch = new Batch({
          nowUs: () => 1,
          requestSucceeded: (_batch, leader, at) => {
            assert.equal(effects.has(leader), false, "answered twice");
            effects.set(leader, at as number);
          },
          requestFailed: () => assert.fail("the primary answers everything"),
          batchCompleted: () => void ended++,
          defersDecoding: () => false,
        });
        for (const key of keys) fill(batch, `key ${key}`);
        batch.size = batch.leaders().length;
        reads.send(primary.lane, batch, false);
        batches++;
      };
      const newRequest = (kind: Kind, key: string): Request => {
        const request = new Request(kind, key, kind === Kind.put ? "value" : undefined, 0, undefined, 0, 1000);
        called.push(request);
        return request;
      };
      let batches = 0;
      for (const { kind, keys, server } of steps) {
        if (kind === "get") call((batch, key) => batch.reads.push(newRequest(Kind.get, key)), keys);
        else if (kind === "contains") call((batch, key) => batch.probes.push(newRequest(Kind.contains, key)), keys);
        else if (kind === "ttl") call((batch, key) => batch.others.push(newRequest(Kind.ttl, key)), keys);
        else if (kind === "put") call((batch, key) => batch.puts.push(newRequest(Kind.put, key)), keys);
        else if (kind === "contains, get") {
          call((batch, key) => {
            batch.probes.push(newRequest(Kind.contains, key));
            batch.reads.push(newRequest(Kind.get, key));
          }, keys);
        } else if (kind === "work") {
          if (server > 0 && servers[server]!.due.length > 0) byReplicas++;
          servers[server]!.work(false);
        } else {
          const replica = replicas[server % REPLICAS]!;
          if (kind === "damage") replica.work(true);
          else if (kind === "lose") replica.lose();
          // It has what the primary had when the last question was answered, which was behind all that it has done.
          else if (kind === "follow" && primary.due.length === 0) replica.lacks.clear();
          else if (kind === "freshness") replica.isFresh = !replica.isFresh;
        }
      }
      while (servers.some(({ due }) => due.length > 0)) for (const server of servers) server.work(false);
      assert.equal(ended, batches, "some batch has not ended");
      const last = new Map<string, number>();
      for (const request of called) {
        const at = effects.get(request);
        assert.ok(at !== undefined, "not answered");
        assert.ok(at > (last.get(request.key) ?? 0), `${request.key}: one called later took effect before`);
        last.set(request.key, at);
      }
      reads.close();
    }),
    { numRuns: 3000 },
  );
  assert.ok(byReplicas > 5000, `replicas answered only ${byReplicas} batches`);
});
