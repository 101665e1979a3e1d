import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch } from "../../../src/backends/batch.js";
import { Kind, NO_ANSWER, OPERATION_NAMES, Request, type TransactionStep } from "../../../src/backends/request.js";
import { hashOfKey } from "../../../src/core/key-hash.js";
import { BatchPlanner } from "../../../src/pipeline/batch-planner.js";
import { INDIFFERENT_OWNER } from "../../support/indifferent-owner.js";

let calls = 0;

/** `put a 1`, `put a 1 ttl`, `get a`, `transaction a,b`, … */
function requestOf(line: string): Request {
  const [name, key, value, lifetime] = line.split(" ");
  const kind = OPERATION_NAMES.indexOf(name as (typeof OPERATION_NAMES)[number]) as Kind;
  const steps = key!.split(",").map((of): TransactionStep => ({ type: "delete", key: of }));
  const detail = kind === Kind.transaction ? steps : kind === Kind.increment ? 1n : undefined;
  return new Request(kind, key!, value, lifetime === undefined ? 0 : 5000, detail, calls++, 3000);
}

const GROUPS = ["reads", "probes", "deletes", "puts", "expiringPuts", "others"] as const;

/** What the batch sends, `refused` last if the last line did not fit. */
function planned(lines: readonly string[]): string[] {
  const requests = lines.map(requestOf);
  const planner = new BatchPlanner(INDIFFERENT_OWNER, 16);
  const batch = planner.begin();
  const fits = requests.map((request) => planner.offer(request, hashOfKey(request.key, request.keyUnits)));
  assert.ok(
    fits.slice(0, -1).every((fit) => fit),
    "only the last line may not fit",
  );
  const sent = GROUPS.flatMap((group) =>
    batch[group].map((leader) => `${group}: ${lines[requests.indexOf(leader)]}${followersOf(leader, requests, lines)}`),
  );
  assertEachOnce(batch, requests.slice(0, fits.at(-1) ? undefined : -1));
  return fits.at(-1) ? sent : [...sent, "refused"];
}

function followersOf(leader: Request, requests: readonly Request[], lines: readonly string[]): string {
  let shown = "";
  for (let follower = leader.follower; follower !== undefined; follower = follower.follower) {
    const answer = follower.answer === NO_ANSWER ? "the same" : String(follower.answer);
    shown += ` < ${lines[requests.indexOf(follower)]} = ${answer}`;
  }
  return shown;
}

function assertEachOnce(batch: Batch, requests: readonly Request[]): void {
  const seen: Request[] = [];
  batch.forEachLeader((leader) => {
    for (let request: Request | undefined = leader; request !== undefined; request = request.follower)
      seen.push(request);
  });
  assert.equal(seen.length, requests.length, "a request is lost or doubled");
  assert.equal(new Set(seen).size, requests.length);
}

const CASES: readonly [string, readonly string[], readonly string[]][] = [
  [
    "different keys share a batch",
    ["get a", "put b 1", "put c 1 ttl", "delete d", "contains e", "ttl f"],
    [
      "reads: get a",
      "probes: contains e",
      "deletes: delete d",
      "puts: put b 1",
      "expiringPuts: put c 1 ttl",
      "others: ttl f",
    ],
  ],
  ["equal reads are one", ["get a", "get a", "get a"], ["reads: get a < get a = the same < get a = the same"]],
  ["a probe follows a read", ["get a", "contains a"], ["reads: get a < contains a = the same"]],
  [
    "a read after a probe is a fetch of its own",
    ["contains a", "get a", "get a"],
    ["reads: get a < get a = the same", "probes: contains a"],
  ],
  [
    "a read behind a put has its value",
    ["put a 1", "get a", "contains a"],
    ["puts: put a 1 < get a = 1 < contains a = true"],
  ],
  ["a read before a put does not see it", ["get a", "put a 1", "get a"], ["reads: get a", "puts: put a 1 < get a = 1"]],
  [
    "a later put supersedes an earlier one",
    ["put a 1", "get a", "put a 2", "get a"],
    ["puts: put a 2 < put a 1 = undefined < get a = 1 < get a = 2"],
  ],
  [
    "a put with a lifetime supersedes one without",
    ["put a 1", "put b 1", "put a 2 ttl"],
    ["puts: put b 1", "expiringPuts: put a 2 ttl < put a 1 = undefined"],
  ],
  [
    "a put without a lifetime supersedes one with",
    ["put a 1 ttl", "put a 2"],
    ["puts: put a 2 < put a 1 ttl = undefined"],
  ],
  [
    "a delete supersedes a put and knows its answer",
    ["put a 1", "delete a", "get a"],
    ["deletes: delete a < put a 1 = undefined < get a = null"],
  ],
  [
    "a second delete finds nothing",
    ["delete a", "delete a", "contains a"],
    ["deletes: delete a < delete a = false < contains a = false"],
  ],
  [
    "a put after a delete is sent beside it",
    ["delete a", "put a 1", "get a"],
    ["deletes: delete a", "puts: put a 1 < get a = 1"],
  ],
  [
    "delete, put, delete is one delete",
    ["delete a", "put a 1", "delete a", "get a"],
    ["deletes: delete a < put a 1 = undefined < delete a = true < get a = null"],
  ],
  [
    "delete, put, put keeps the delete",
    ["delete a", "put a 1", "put a 2 ttl"],
    ["deletes: delete a", "expiringPuts: put a 2 ttl < put a 1 = undefined"],
  ],
  [
    "increments of one key run together",
    ["increment a", "increment a", "increment b"],
    ["others: increment a", "others: increment a", "others: increment b"],
  ],
  ["a read behind an increment begins the next batch", ["increment a", "get a"], ["others: increment a", "refused"]],
  ["an increment behind a put begins the next batch", ["put a 1", "increment a"], ["puts: put a 1", "refused"]],
  ["a put behind an increment begins the next batch", ["increment a", "put a 1"], ["others: increment a", "refused"]],
  [
    "a conditional write behind a read begins the next batch",
    ["get a", "setIfNotExists a 1"],
    ["reads: get a", "refused"],
  ],
  [
    "two conditional writes of a key need two batches",
    ["getAndDelete a", "getAndDelete a"],
    ["others: getAndDelete a", "refused"],
  ],
  ["a transaction on other keys fits", ["put a 1", "transaction b,c"], ["puts: put a 1", "others: transaction b,c"]],
  ["a transaction on a key of the batch begins the next", ["put a 1", "transaction b,a"], ["puts: put a 1", "refused"]],
  [
    "a call on any key of a transaction begins the next",
    ["transaction a,b", "get b"],
    ["others: transaction a,b", "refused"],
  ],
];
for (const [what, lines, expected] of CASES) {
  test(what, () => {
    assert.deepEqual(planned(lines), expected);
  });
}

test("superseded puts leave no gap, whichever is superseded", () => {
  const keys = ["a", "b", "c", "d"];
  for (const again of keys) {
    const sent = planned([...keys.map((key) => `put ${key} 1`), `put ${again} 2`, `put ${again} 3`, "put d 4"]);
    const sentKeys = sent.map((line) => line.split(" ")[2]!).sort();
    assert.deepEqual(sentKeys, keys);
  }
});
