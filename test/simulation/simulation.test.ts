import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Batch } from "../../src/backends/batch.js";
import type { Driver } from "../../src/backends/contract.js";
import { Kind, type Request } from "../../src/backends/request.js";
import type { StateError } from "../../src/core/errors.js";
import { GivingUp } from "../../src/pipeline/giving-up.js";
import { RequestQueue } from "../../src/pipeline/request-queue.js";
import { RetryPolicy } from "../../src/pipeline/retry-policy.js";
import { runSeed, type SeedOptions } from "./run-seed.js";

Error.stackTraceLimit = 0;

const SOUND_SEEDS = 2000;
/** A planted fault must show within so many. */
const PLANTED_SEEDS = 1000;

test(`${SOUND_SEEDS} simulated runs have answers that some order explains, honest outcomes, and nothing late`, () => {
  let calls = 0;
  let faults = 0;
  for (let seed = 1; seed <= SOUND_SEEDS; seed++) {
    const result = runSeed(seed);
    assert.deepEqual(result.problems, [], `seed ${seed}; again with: npm run simulate -- --seed ${seed} --trace`);
    calls += result.calls.length;
    faults += result.faults;
  }
  assert.ok(calls > 20 * SOUND_SEEDS && faults > SOUND_SEEDS, `only ${calls} calls and ${faults} faults`);
});

test("a seed repeats a simulated run to the last detail, and another seed gives another run", () => {
  const traceOf = (seed: number): string[] => {
    const lines: string[] = [];
    runSeed(seed, { trace: (line) => lines.push(line) });
    return lines;
  };
  for (let seed = 1; seed <= 50; seed++) {
    const trace = traceOf(seed);
    assert.ok(trace.length > 0);
    assert.deepEqual(traceOf(seed), trace);
    assert.notDeepEqual(traceOf(seed + 1), trace);
  }
});

const PLANTED: readonly { name: string; plant: (t: TestContext) => SeedOptions; found: RegExp }[] = [
  {
    name: "retries that leave in the reverse order",
    plant(t) {
      const putBack = RequestQueue.prototype.putBack;
      t.mock.method(RequestQueue.prototype, "putBack", function (this: RequestQueue, requests: readonly Request[]) {
        for (const request of requests) request.order = 1e9 - request.order;
        putBack.call(this, requests);
      });
      return {};
    },
    found: /no order explains/,
  },
  {
    name: "lost writes reported as not applied",
    plant: () => ({ tamper: (driver) => withFail(driver, (error) => error.concerning({ outcome: "not-applied" })) }),
    found: /said to be not applied/,
  },
  {
    name: "deadlines that nobody watches",
    plant(t) {
      t.mock.method(GivingUp.prototype, "watchDeadline", () => {});
      return {};
    },
    found: /settled after its deadline|never settled|never answered/,
  },
  {
    name: "a superseded put that is carried out after the later one",
    plant: () => ({
      tamper: (driver, server) =>
        withSucceed(driver, (leader) => {
          const superseded = leader.follower;
          if (leader.kind === Kind.put && superseded?.kind === Kind.put) server.store.execute(superseded);
        }),
    }),
    found: /no order explains/,
  },
  {
    name: "increments and swaps sent again after a lost answer",
    plant(t) {
      const allows = (leader: Request, error: StateError): boolean => error.retryable && leader.failedAttempts < 3;
      t.mock.method(RetryPolicy.prototype, "allows", allows);
      return {};
    },
    found: /carried out \d times/,
  },
];

for (const { name, plant, found } of PLANTED) {
  test(`the simulation finds ${name} within ${PLANTED_SEEDS} seeds`, (t) => {
    const options = plant(t);
    for (let seed = 1; seed <= PLANTED_SEEDS; seed++) {
      const problem = runSeed(seed, options).problems.find((text) => found.test(text));
      if (problem === undefined) continue;
      t.diagnostic(`seed ${seed}: ${problem.split("\n")[0]}`);
      return;
    }
    assert.fail("not found");
  });
}

function withFail(driver: Driver, change: (error: StateError) => StateError): Driver {
  return before(driver, (batch) => {
    batch.fail = (leader, error) => Batch.prototype.fail.call(batch, leader, change(error));
  });
}

function withSucceed(driver: Driver, first: (leader: Request) => void): Driver {
  return before(driver, (batch) => {
    batch.succeed = (leader, result) => {
      first(leader);
      Batch.prototype.succeed.call(batch, leader, result);
    };
  });
}

/** The same driver, whose batches are changed before it gets them. */
function before(driver: Driver, change: (batch: Batch) => void): Driver {
  const execute = driver.execute.bind(driver);
  driver.execute = (batch) => {
    change(batch);
    execute(batch);
  };
  return driver;
}
