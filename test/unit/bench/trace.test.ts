import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { describe, test } from "node:test";
import { LatencyRecorder } from "../../../bench/lib/latency-recorder.js";
import { UsageError } from "../../../bench/lib/usage-error.js";
import { parseTrace, readTrace } from "../../../bench/load/trace.js";
import { generateLlmTrace } from "../../../bench/load/trace-generator.js";
import { foldWindows, replayCache } from "../../../bench/load/trace-replay.js";
import { addRequest, expectedStates } from "../../../bench/load/window-fold.js";
import type { Peer } from "../../../bench/peers/peer.js";

/** A store in memory that answers in a later turn; `spoil` may change what a read gives. */
function mapPeer(spoil: (value: string) => string = (value) => value): { peer: Peer; map: Map<string, string> } {
  const map = new Map<string, string>();
  const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(() => resolve(value)));
  const peer: Peer = {
    name: "map",
    packageName: null,
    format: "plain",
    connect: async () => {},
    get: (key) => {
      const value = map.get(key);
      return later(value === undefined ? null : spoil(value));
    },
    put: (key, value) => later(map.set(key, value)),
    putWithTtl: (key, value) => later(map.set(key, value)),
    delete: (key) => later(map.delete(key)),
    close: async () => {},
  };
  return { peer, map };
}

describe("traces", () => {
  test("the LLM format is read with seven digits of a second, with zones, and with Windows line ends", async () => {
    const trace = await parseTrace(
      [
        "TIMESTAMP,ContextTokens,GeneratedTokens\r",
        "2023-11-16 18:15:46.6805900,374,44\r",
        "2024-05-10 00:00:00.009930+00:00,2162,5",
        "2024-05-10 02:00:01+02:00,1,2",
        "",
      ],
      "t.csv",
    );
    assert.ok(trace.kind === "llm");
    assert.deepEqual(
      trace.requests.map((request) => [
        Math.round(request.atMs * 100) / 100,
        request.contextTokens,
        request.generatedTokens,
      ]),
      [
        [Date.UTC(2023, 10, 16, 18, 15, 46) + 680.59, 374, 44],
        [Date.UTC(2024, 4, 10) + 9.93, 2162, 5],
        [Date.UTC(2024, 4, 10, 0, 0, 1), 1, 2],
      ],
    );
  });

  test("an operation is none because JavaScript's objects have something of its name", async () => {
    for (const name of ["constructor", "__proto__", "toString"]) {
      await assert.rejects(parseTrace([`0,k,1,10,0,${name},0`], "t.csv"), /t\.csv, line 1 is not a cache operation/);
    }
  });

  test("a folder, or what is not there, is no trace", async () => {
    for (const file of [tmpdir(), "/no/such/trace.csv"]) {
      await assert.rejects(
        readTrace(file),
        (error: Error) => error instanceof UsageError && error.message.includes(file),
      );
    }
  });

  test("the cache format is read without a header and its operations become ours", async () => {
    const trace = await parseTrace(
      ["0,q:q:1:8WTfjZU14ee,17,213,4,get,0", "1,key-b,5,100,1,set,60", "2,key-b,5,0,1,delete,0", "2,n,1,8,1,incr,0"],
      "c",
    );
    assert.ok(trace.kind === "cache");
    assert.deepEqual(trace.operations, [
      { operation: "get", key: "q:q:1:8WTfjZU14ee", valueBytes: 213, ttlMs: 0 },
      { operation: "put", key: "key-b", valueBytes: 100, ttlMs: 60_000 },
      { operation: "delete", key: "key-b", valueBytes: 0, ttlMs: 0 },
      { operation: "put", key: "n", valueBytes: 8, ttlMs: 0 },
    ]);
  });

  const bad: [string, string[], RegExp][] = [
    ["an empty file", [], /no request/],
    ["a header alone", ["TIMESTAMP,ContextTokens,GeneratedTokens"], /no request/],
    ["another format", ["a;b;c"], /line 1/],
    [
      "a broken line",
      ["TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:15:46.6,1,1", "yesterday,1,1"],
      /line 3/,
    ],
    ["an impossible date", ["TIMESTAMP,ContextTokens,GeneratedTokens", "2023-13-45 18:15:46.6,1,1"], /line 2/],
    ["an unknown operation", ["0,k,1,1,1,touch,0"], /line 1/],
    ["a negative size", ["0,k,1,-1,1,set,0"], /line 1/],
  ];
  for (const [what, lines, message] of bad) {
    test(`${what} is refused with file and line`, async () => {
      await assert.rejects(parseTrace(lines, "some.csv"), (error: Error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, /some\.csv/);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test("a file that is not there is a wrong call", async () => {
    await assert.rejects(readTrace("/nowhere/trace.csv"), UsageError);
  });
});

describe("the window fold", () => {
  test("leaves in the store what the same fold in memory gives, and nothing behind", async () => {
    const requests = generateLlmTrace(3, 500);
    const { peer, map } = mapPeer();
    const recorder = new LatencyRecorder();
    const { errors, operations } = await foldWindows(requests, peer, "w:", recorder);
    assert.deepEqual([errors, operations, recorder.count, map.size], [0, 1000, 1000, 0]);
  });

  test("adds up requests and tokens and keeps the longest context", () => {
    const minute = Date.UTC(2024, 0, 1);
    const requests = [
      { atMs: minute, contextTokens: 10, generatedTokens: 1 },
      { atMs: minute + 59_999, contextTokens: 30, generatedTokens: 2 },
      { atMs: minute + 60_000, contextTokens: 5, generatedTokens: 3 },
    ];
    assert.deepEqual(
      [...expectedStates(requests).values()].map((state) => JSON.parse(state)),
      [
        { requests: 2, contextTokens: 40, generatedTokens: 3, longestContext: 30 },
        { requests: 1, contextTokens: 5, generatedTokens: 3, longestContext: 5 },
      ],
    );
    assert.equal(addRequest(null, requests[2]!), [...expectedStates(requests).values()][1]);
  });

  test("a store that loses a write is found out", async () => {
    const { peer } = mapPeer();
    let puts = 0;
    const forgetful: Peer = {
      ...peer,
      put: (key, value) => (++puts === 40 ? Promise.resolve() : peer.put(key, value)),
    };
    const { errors } = await foldWindows(generateLlmTrace(3, 500), forgetful, "w:", new LatencyRecorder());
    assert.equal(errors, 1);
  });
});

describe("the cache replay", () => {
  const operations = [
    { operation: "get", key: "a", valueBytes: 0, ttlMs: 0 },
    { operation: "put", key: "a", valueBytes: 40, ttlMs: 0 },
    { operation: "get", key: "a", valueBytes: 0, ttlMs: 0 },
    { operation: "put", key: "a", valueBytes: 90_000, ttlMs: 1000 },
    { operation: "put", key: "b", valueBytes: 7, ttlMs: 0 },
    { operation: "delete", key: "b", valueBytes: 0, ttlMs: 0 },
    { operation: "get", key: "b", valueBytes: 0, ttlMs: 0 },
  ] as const;

  test("finds every read as a map would answer it", async () => {
    const { peer, map } = mapPeer();
    const replay = await replayCache(operations, peer, "c:", new LatencyRecorder());
    assert.deepEqual([replay.operations, replay.errors, map.size], [7, 0, 0]);
  });

  test("counts reads that are wrong", async () => {
    const { peer } = mapPeer((value) => value.slice(1));
    const replay = await replayCache(operations, peer, "c:", new LatencyRecorder());
    assert.equal(replay.errors, 2);
  });
});
