import assert from "node:assert/strict";
import { test } from "node:test";
import { Kind, Request, type TransactionStep } from "../../../src/backends/request.js";
import { ReadTier } from "../../../src/tier/read-tier.js";
import { VirtualLoop } from "../../support/virtual-loop.js";

/** A tier, and a stand-in for the pipeline that calls what the store then answers. */
class Scene {
  readonly loop = new VirtualLoop();
  readonly tier = new ReadTier({ maxBytes: 1 << 20, ttlMs: 3_600_000, keepsStale: false }, this.loop);

  call(kind: Kind, ttlMs = 0, detail: readonly TransactionStep[] | undefined = undefined): Request {
    const startedAtUs = (this.loop.nowMs() * 1000) | 0;
    const request = new Request(kind, "key", kind === Kind.put ? "value" : undefined, ttlMs, detail, startedAtUs, 1000);
    this.tier.called(request);
    return request;
  }

  done(kind: Kind, ttlMs = 0, result: unknown = undefined, detail?: readonly TransactionStep[]): void {
    this.tier.answered(this.call(kind, ttlMs, detail), result);
  }

  /** Whether a value that the store holds now is still returned after so long. */
  isKeptFor(ms: number): boolean {
    this.tier.answered(this.call(Kind.get), Buffer.from("value"));
    this.loop.clock.advance(ms);
    return this.tier.get("key") !== undefined;
  }
}

function keptFor200(prepare: (scene: Scene) => void): boolean[] {
  return [199, 200].map((ms) => {
    const scene = new Scene();
    prepare(scene);
    return scene.isKeptFor(ms);
  });
}

const OVER_WITH_ITS_LIFETIME = [true, false];

test("a value is not returned after a lifetime it was given, whatever was called since and did not take effect", () => {
  const since: Record<string, (scene: Scene) => void> = {
    nothing: () => {},
    "setIfNotExists that returned false": (scene) => scene.done(Kind.setIfNotExists, 0, false),
    "setIfNotExists with a lifetime that returned false": (scene) => scene.done(Kind.setIfNotExists, 60_000, false),
    "compareAndSwap that returned false": (scene) => scene.done(Kind.compareAndSwap, 0, false),
    "expire that found no key": (scene) => scene.done(Kind.expire, 0, false),
    "a put aborted before it was sent": (scene) => scene.tier.unanswered(scene.call(Kind.put)),
    "a put of which nobody knows": (scene) => scene.tier.unanswered(scene.call(Kind.put, 60_000)),
    "a transaction that failed": (scene) =>
      scene.tier.unanswered(scene.call(Kind.transaction, 0, [{ type: "put", key: "key", value: "v", ttlMs: 0 }])),
    "work on many keys": (scene) => scene.tier.dropAll(),
    increment: (scene) => scene.done(Kind.increment, 0, 1n),
  };
  for (const [what, happens] of Object.entries(since)) {
    const kept = keptFor200((scene) => {
      scene.done(Kind.put, 200);
      happens(scene);
    });
    assert.deepEqual(kept, OVER_WITH_ITS_LIFETIME, what);
  }
});

test("an answer about a lifetime does not replace what a put called after the question gave", () => {
  const kept = keptFor200((scene) => {
    scene.done(Kind.put, 60_000);
    const asked = scene.call(Kind.ttl);
    const put = scene.call(Kind.put, 200);
    scene.tier.answered(asked, 60_000);
    scene.tier.answered(put, undefined);
    scene.tier.answered(scene.call(Kind.get), Buffer.from("value"));
    scene.tier.answered(asked, 60_000);
  });
  assert.deepEqual(kept, OVER_WITH_ITS_LIFETIME);
});

test("a write that took effect says what lifetime there is from then on", () => {
  const lasting: Record<string, (scene: Scene) => void> = {
    put: (scene) => scene.done(Kind.put),
    expire: (scene) => scene.done(Kind.expire, 0, true),
    "expire with another lifetime": (scene) => scene.done(Kind.expire, 60_000, true),
    setIfNotExists: (scene) => scene.done(Kind.setIfNotExists, 0, true),
    delete: (scene) => scene.done(Kind.delete, 0, true),
    getAndDelete: (scene) => scene.done(Kind.getAndDelete, 0, null),
    transaction: (scene) =>
      scene.done(Kind.transaction, 0, undefined, [
        { type: "put", key: "key", value: "v", ttlMs: 100 },
        { type: "put", key: "key", value: "v", ttlMs: 0 },
      ]),
  };
  for (const [what, happens] of Object.entries(lasting)) {
    const scene = new Scene();
    scene.done(Kind.put, 200);
    happens(scene);
    assert.ok(scene.isKeptFor(30_000), what);
  }
  const kept = keptFor200((scene) =>
    scene.done(Kind.transaction, 0, undefined, [
      { type: "put", key: "key", value: "v", ttlMs: 0 },
      { type: "expire", key: "key", ttlMs: 200 },
    ]),
  );
  assert.deepEqual(kept, OVER_WITH_ITS_LIFETIME);
});

test("an answer that is too large to be kept does not count as taken in", () => {
  const scene = new Scene();
  scene.tier.answered(scene.call(Kind.get), Buffer.alloc(1 << 19));
  assert.deepEqual([scene.tier.statistics().fills, scene.tier.statistics().entries], [0, 0]);
  scene.tier.answered(scene.call(Kind.get), Buffer.alloc(1 << 10));
  assert.deepEqual([scene.tier.statistics().fills, scene.tier.statistics().entries], [1, 1]);
});

test("what the store says of a lifetime counts from the call", () => {
  const kept = [99, 100].map((ms) => {
    const scene = new Scene();
    const asked = scene.call(Kind.ttl);
    scene.loop.clock.advance(900);
    scene.tier.answered(asked, 1000);
    return scene.isKeptFor(ms);
  });
  assert.deepEqual(kept, OVER_WITH_ITS_LIFETIME);
});

test("what a load may have given a lifetime is not returned after it, also if it was under way at its end", () => {
  const kept = keptFor200((scene) => scene.tier.loaded(200, 0));
  assert.deepEqual(kept, OVER_WITH_ITS_LIFETIME);
  const scene = new Scene();
  scene.tier.loaded(200, 50);
  scene.loop.clock.advance(199);
  const read = scene.call(Kind.get);
  scene.loop.clock.advance(1);
  scene.tier.answered(read, Buffer.from("value"));
  assert.equal(scene.tier.get("key"), undefined);
  assert.ok(scene.isKeptFor(30_000));
});

test("a lifetime that the store began to count late is not over for the cache before it is for the store", () => {
  const begins: Record<string, (scene: Scene) => void> = {
    "a put that took effect late": (scene) => {
      const put = scene.call(Kind.put, 1000);
      scene.loop.clock.advance(60_000);
      scene.tier.answered(put, undefined);
    },
    "a transaction that took effect late": (scene) => {
      const steps: TransactionStep[] = [{ type: "put", key: "key", value: "value", ttlMs: 1000 }];
      const transaction = scene.call(Kind.transaction, 0, steps);
      scene.loop.clock.advance(60_000);
      scene.tier.answered(transaction, undefined);
    },
    "a put that may have taken effect when it was given up": (scene) => {
      const put = scene.call(Kind.put, 1000);
      scene.loop.clock.advance(60_000);
      scene.tier.unanswered(put);
    },
    "a put that took effect late, and one called since that did not": (scene) => {
      const put = scene.call(Kind.put, 1000);
      const other = scene.call(Kind.put);
      scene.loop.clock.advance(60_000);
      scene.tier.answered(put, undefined);
      scene.tier.unanswered(other);
    },
    "an answer about a lifetime that came late": (scene) => {
      const asked = scene.call(Kind.ttl);
      scene.loop.clock.advance(60_000);
      scene.tier.answered(asked, 1000);
    },
  };
  for (const [what, begin] of Object.entries(begins)) {
    const scene = new Scene();
    begin(scene);
    assert.ok(!scene.isKeptFor(1000), what);
    scene.tier.changed("key");
    assert.ok(scene.isKeptFor(30_000), `${what}, and another's write since`);
  }
});

test("a value that was read before its lifetime was over is not kept by an answer that comes long after", () => {
  const scene = new Scene();
  scene.done(Kind.put, 1000);
  scene.loop.clock.advance(900);
  const read = scene.call(Kind.get);
  scene.loop.clock.advance(60_000);
  scene.tier.answered(read, Buffer.from("value"));
  assert.equal(scene.tier.get("key"), undefined);
});
