import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseOptions } from "../../../bench/lib/options.js";
import { UsageError } from "../../../bench/lib/usage-error.js";
import { makePlan } from "../../../bench/load/plan.js";
import { WORKLOADS } from "../../../bench/load/workload.js";

describe("options of the bench", () => {
  test("nothing given means everything but the soak, in the closed loop", () => {
    const options = parseOptions([]);
    assert.deepEqual([options.workloads, options.peers, options.ratePerSec, options.check], [null, null, null, false]);
    const plan = makePlan(options, null);
    assert.equal(plan.cells.length, WORKLOADS.length);
    assert.deepEqual(plan.extras, ["trace", "targets"]);
  });

  test("names may be separated by spaces, by commas, or come with options of their own", () => {
    const { workloads, peers } = parseOptions([
      "--workload",
      "get",
      "put-ttl",
      "--peers=millrace,ioredis",
      "--workload",
      "soak",
    ]);
    assert.deepEqual(workloads, ["get", "put-ttl", "soak"]);
    assert.deepEqual(peers, ["millrace", "ioredis"]);
  });

  test("a selector means an operation, a size, an operation with a size, or one cell", () => {
    const cellsOf = (...names: string[]): string[] =>
      makePlan(parseOptions(["--workload", ...names]), null).cells.map(({ workload }) => workload.name);
    assert.ok(cellsOf("put").every((name) => name.startsWith("put-") && !name.startsWith("put-ttl")));
    assert.deepEqual(cellsOf("get-1KiB"), ["get-1KiB@1", "get-1KiB@100", "get-1KiB@1000"]);
    assert.deepEqual(cellsOf("get-1KiB@100"), ["get-1KiB@100"]);
    assert.ok(cellsOf("16KiB").length === 6);
  });

  test("a peer asked for by name is measured in every chosen cell", () => {
    const [cell] = makePlan(parseOptions(["--workload", "get-100B@1", "--peers", "node-redis"]), null).cells;
    assert.deepEqual(cell?.names, ["node-redis"]);
  });

  test("rates and durations take units, percentages a percent sign", () => {
    const options = parseOptions([
      "--rate",
      "100k",
      "--duration",
      "2.5s",
      "--baseline",
      "b.json",
      "--max-regression",
      "7.5%",
    ]);
    assert.deepEqual([options.ratePerSec, options.durationS, options.maxRegression], [100_000, 2.5, 0.075]);
  });

  test("a duration is about what the whole run takes", () => {
    const rounds = (seconds: string): number =>
      makePlan(parseOptions(["--workload", "get-100B@1", "--peers", "ioredis", "--duration", seconds]), null).roundMs;
    assert.ok(rounds("10") >= 1000 && rounds("10") < 2000);
    assert.ok(Math.abs(rounds("20") / rounds("10") - 2) < 0.01);
  });

  test("a duration that is short for many cells leaves room for what is around their rounds", () => {
    const rounds = (seconds: string): number => makePlan(parseOptions(["--duration", seconds]), null).roundMs;
    // As measured: of a run of 178 s with rounds of 100 ms some 65 s were around them, and 20 s more of them.
    assert.ok(rounds("161") > 80 && rounds("161") < 120, `${rounds("161")}`);
    assert.ok(rounds("100") > 25 && rounds("100") < 50, `${rounds("100")}`);
    assert.equal(rounds("10"), 20);
  });

  test("a duration is about what the open loop takes, warm-ups and all", () => {
    const plan = (...args: string[]): ReturnType<typeof makePlan> => makePlan(parseOptions(args), null);
    const small = ["--rate", "1000", "--workload", "get-100B", "--peers", "millrace,ioredis"];
    const { cells, openMs } = plan(...small, "--duration", "20");
    assert.equal(cells.length, 1, "how many are in flight makes no difference at a rate");
    // Two clients that start, and a run of each with 1.8 s around it.
    assert.ok(2 * (openMs + 1800) <= 20_000 && 2 * (openMs + 1800) > 15_000, `${openMs}`);
    assert.equal(plan(...small, "--duration", "1").openMs, 200);
    const all = plan("--rate", "10k", "--duration", "600");
    const runs = all.cells.reduce(
      (sum, { names }) => sum + names.filter((name) => name !== "redis-benchmark").length,
      0,
    );
    assert.equal(runs, 48);
    assert.ok(runs * (all.openMs + 1800) + 33 * all.roundMs < 600_000, `${all.openMs} ${all.roundMs}`);
    assert.ok(runs * (all.openMs + 1800) + 33 * all.roundMs > 500_000, `${all.openMs} ${all.roundMs}`);
  });

  test("a duration holds the objectives' runs as well", () => {
    const objective = ["--workload", "get-100B@1", "--peers", "millrace", "--duration", "60", "--slo", "get.p99<1ms"];
    const { openMs, roundMs } = makePlan(parseOptions(objective), null);
    const without = makePlan(parseOptions(objective.slice(0, -2)), null);
    assert.ok(openMs <= 6000 && roundMs <= without.roundMs);
  });

  test("a duration is shared by parts that divide it themselves", () => {
    const plan = (workloads: string): ReturnType<typeof makePlan> =>
      makePlan(parseOptions(["--workload", workloads, "--duration", "60"]), null);
    assert.deepEqual([plan("tier").partMs, plan("soak").soakMs], [60_000, 60_000]);
    assert.deepEqual([plan("tier,codec,soak").partMs, plan("tier,codec,soak").soakMs], [20_000, 20_000]);
  });

  test("a trace that is given is replayed, whatever else is", () => {
    const extras = (...args: string[]): readonly string[] => makePlan(parseOptions(args), null).extras;
    assert.deepEqual(extras("--trace", "t.csv", "--workload", "get-100B@1"), ["trace"]);
    assert.deepEqual(extras("--workload", "get-100B@1"), []);
  });

  test("a run of parts that have rounds of their own has no length of rounds to tell", () => {
    const hasRounds = (workloads: string): boolean =>
      makePlan(parseOptions(["--workload", workloads, "--duration", "60"]), null).hasRounds;
    assert.equal(hasRounds("codec-grid"), false);
    assert.equal(hasRounds("targets"), true);
    assert.equal(hasRounds("codec-grid,get-100B@1"), true);
  });

  const wrong: [string[], RegExp][] = [
    [["--nonsense"], /there is no option --nonsense; --help shows them all$/],
    [["--wrokload", "get"], /there is no option --wrokload; did you mean --workload\?$/],
    [["--slo", "get.p99<1ms", "--duraton=60"], /there is no option --duraton; did you mean --duration\?$/],
    [["-w"], /there is no option -w; --help/],
    [["-hx"], /there is no option -x; --help/],
    [["--json"], /--json/],
    [["stray"], /stray/],
    [["--json", "x", "stray"], /stray/],
    [["--rate", "fast"], /--rate.*"fast"/],
    [["--rate", "0"], /--rate/],
    [["--rate", "10s"], /--rate/],
    [["--duration", "-1"], /duration/],
    [["--max-regression", "10%"], /--baseline/],
    [["--baseline", "b", "--max-regression", "ten"], /percentage.*"ten"/],
    [["--check", "--slo", "get.p99<1ms"], /--check.*--slo/],
    [["--check", "--baseline", "b"], /--check.*--baseline/],
    [["--slo", "get.p99"], /get\.p99<1ms/],
    [["--slo", "get.p99<1"], /ms/],
    [["--slo", "get.p42<1ms"], /p99/],
    [["--slo", "get.ops>1ms"], /k or M/],
  ];
  for (const [args, message] of wrong) {
    test(`${args.join(" ")} is refused with a reason`, () => {
      assert.throws(
        () => parseOptions(args),
        (error: Error) => {
          assert.ok(error instanceof UsageError);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  test("workloads and peers that do not exist are named", () => {
    assert.throws(() => makePlan(parseOptions(["--workload", "xyz"]), null), /"xyz"; --list shows them all$/);
    assert.throws(() => makePlan(parseOptions(["--workload", "put-100@1000"]), null), /did you mean put-100B@1000\?$/);
    assert.throws(() => makePlan(parseOptions(["--workload", "codec-gird"]), null), /did you mean codec-grid\?$/);
    assert.throws(() => makePlan(parseOptions(["--peers", "jedis"]), null), /"jedis".*ioredis/);
  });
});
