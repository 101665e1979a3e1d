import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { type TestContext, test } from "node:test";
import { EventStream } from "../../../src/admin/event-stream.js";
import { LiveFeed } from "../../../src/admin/live-feed.js";
import type { LiveSample, LiveWelcome } from "../../../src/admin/live-message.js";
import type { Clock } from "../../../src/core/clock.js";
import { createEngine, type Engine } from "../../../src/index.js";

const FACTS = { title: "t", startedAtMs: 0, sampleMs: 1000, processId: 1, nodeVersion: "v20" };

interface Stage {
  readonly engine: Engine;
  readonly feed: LiveFeed;
  advance(ms: number): void;
  /** A page, and what it has been sent. */
  open(): { readonly sent: [event: string, content: unknown][]; fill(isFull: boolean): void };
}

async function stage(t: TestContext): Promise<Stage> {
  let nowMs = 0;
  const clock: Clock = { monotonicMs: () => nowMs, wallMs: () => nowMs };
  const engine = await createEngine({ backend: "memory:", slowLog: { thresholdMs: 0 } });
  const detail = { backend: "memory", checks: [], latency: {}, objectives: [] };
  const feed = new LiveFeed(engine, FACTS, async () => detail, clock);
  t.after(async () => {
    feed.close();
    await engine.close();
  });
  return {
    engine,
    feed,
    advance(ms) {
      nowMs += ms;
      feed.sample();
    },
    open() {
      const sent: [string, unknown][] = [];
      let drained = (): void => {};
      let isFull = false;
      const response = {
        destroyed: false,
        on: (_event: string, listener: () => void) => {
          drained = listener;
        },
        write: (text: string) => {
          const [, event, data] = /^event: (\w+)\ndata: (.*)\n\n$/.exec(text)!;
          sent.push([event!, JSON.parse(data!)]);
          return !isFull;
        },
        end: () => {},
      };
      feed.add(new EventStream(response as unknown as ServerResponse, () => nowMs));
      return {
        sent,
        fill(full) {
          isFull = full;
          if (!full) drained();
        },
      };
    },
  };
}

function samplesIn(sent: readonly [string, unknown][]): LiveSample[] {
  return sent.filter(([event]) => event === "sample").map(([, content]) => content as LiveSample);
}

test("rates are over the time that has passed, however late the timer was", async (t) => {
  const { engine, advance, open } = await stage(t);
  const { sent } = open();
  await Promise.all(Array.from({ length: 300 }, (_, index) => engine.put(`key-${index}`, "x")));
  await Promise.all([engine.get("key-1"), engine.get("nobody")]);
  advance(2000);
  const [sample] = samplesIn(sent);
  assert.equal(sample?.operationsPerSec, 151);
  assert.equal(sample?.operationsTotal, 302);
  assert.equal(sample?.hitRate, 0.5);
  advance(1000);
  const [, calm] = samplesIn(sent);
  assert.deepEqual([calm?.operationsPerSec, calm?.hitRate, calm?.errorRate], [0, null, null]);
});

test("a timer that fires at once after a late one makes no sample", async (t) => {
  const { advance, open } = await stage(t);
  const { sent } = open();
  advance(3000);
  advance(10);
  assert.equal(samplesIn(sent).length, 1);
});

test("whoever comes later is told of the last ten minutes and no more", async (t) => {
  const { advance, open } = await stage(t);
  for (let count = 0; count < 650; count++) advance(1000);
  const [[event, content]] = open().sent as [[string, LiveWelcome]];
  assert.equal(event, "welcome");
  assert.equal(content.history.length, 600);
  assert.equal(content.history.at(-1)?.atMs, 650_000);
});

test("a page whose socket was full is told of slow operations once there is room", async (t) => {
  const { engine, advance, open } = await stage(t);
  const page = open();
  page.fill(true);
  advance(1000);
  await engine.put("key", "x");
  advance(1000);
  assert.ok(!page.sent.some(([event, content]) => event === "slow" && (content as { total: number }).total === 1));
  page.fill(false);
  advance(1000);
  const slow = page.sent.filter(([event]) => event === "slow").at(-1)?.[1] as { total: number };
  assert.equal(slow.total, 1);
  const before = page.sent.length;
  advance(1000);
  assert.deepEqual(
    page.sent.slice(before).map(([event]) => event),
    ["sample"],
  );
});
