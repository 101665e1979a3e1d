import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { compareWithBaseline } from "../../../bench/lib/baseline.js";
import { htmlPage } from "../../../bench/lib/html-page.js";
import { junitXml } from "../../../bench/lib/junit.js";
import { environmentText } from "../../../bench/lib/print.js";
import { type BenchReport, type Comparison, hasFailed, judge } from "../../../bench/lib/report.js";
import { judgeSlo, parseSlo } from "../../../bench/lib/slo.js";
import { SpareTime } from "../../../bench/lib/spare-time.js";
import type { Contestant } from "../../../bench/load/contestants.js";
import { isTooCloseToTell, measureGoals, roundsOf } from "../../../bench/load/goals.js";
import { roundsOfClose } from "../../../bench/load/interleaved.js";
import { workloadNamed } from "../../../bench/load/workload.js";
import { parseCsv } from "../../../bench/peers/redis-benchmark.js";

function row(workload: string, subject: string, opsPerSec: number, p50Us = 100): Comparison {
  return {
    ...{ workload, subject, opsPerSec, p50Us, p99Us: 900, p999Us: 1500, cpuUsPerOp: 1.5, errors: 0 },
    ...{ meanUs: 120, maxUs: 2000, rounds: [opsPerSec] },
  };
}

function reportOf(parts: Partial<BenchReport>): BenchReport {
  return {
    schema: 1,
    environment: {
      ...{ millrace: "0.1.0", commit: null, date: "2026-01-01", node: "v20", v8: "11", cpus: "cpu", cores: 2 },
      ...{
        memoryGiB: 8,
        os: "os",
        loadAverage: 0,
        otherLoad: 0,
        redis: "redis 7",
        backend: "b",
        peers: {},
        settings: {},
      },
    },
    targets: [],
    comparisons: [],
    verdicts: [],
    ...parts,
  };
}

const target = { id: "T1", title: "<singles> & co", source: "B", goal: 10, unit: "ms", measured: 10 };

describe("targets", () => {
  test("are met at, above or below their goal as their bound says", () => {
    assert.equal(judge({ ...target, bound: "at least" }).pass, true);
    assert.equal(judge({ ...target, bound: "at most" }).pass, true);
    assert.equal(judge({ ...target, bound: "below" }).pass, false);
    assert.equal(judge({ ...target, bound: "below", measured: null }).pass, null);
  });

  test("a missed published target fails the run, a missed comparison or an unmeasured target does not", () => {
    const missed = judge({ ...target, bound: "below" });
    assert.equal(hasFailed(reportOf({ targets: [missed] }), "millrace"), true);
    assert.equal(hasFailed(reportOf({ targets: [{ ...missed, id: "M1.put" }] }), "millrace"), false);
    assert.equal(hasFailed(reportOf({ targets: [{ ...missed, pass: null }] }), "millrace"), false);
    const verdict = { kind: "slo", title: "t", measured: "m", pass: false } as const;
    assert.equal(hasFailed(reportOf({ verdicts: [verdict] }), "millrace"), true);
  });

  test("errors fail the run when they are ours", () => {
    const failing = (subject: string): BenchReport =>
      reportOf({ comparisons: [{ ...row("get-100B@1", subject, 1000), errors: 1 }] });
    assert.equal(hasFailed(failing("millrace"), "millrace"), true);
    assert.equal(hasFailed(failing("ioredis"), "millrace"), false);
  });
});

describe("what stands above the figures", () => {
  test("tells how long rounds were, where there were any", () => {
    const { environment } = reportOf({});
    assert.doesNotMatch(environmentText(environment), /rounds|undefined/);
    const settings = { roundMs: 100, rate: "closed loop" };
    assert.match(environmentText({ ...environment, settings }), /rounds of 100 ms, closed loop/);
    assert.match(environmentText({ ...environment, settings: { ...settings, rate: 5000 } }), /5000 ops\/s offered/);
    const open = environmentText({ ...environment, settings: { openMs: 3000, rate: 5000 } });
    assert.match(open, /runs of 3000 ms at 5000 ops\/s offered/);
    assert.doesNotMatch(open, /rounds/);
  });
});

describe("goals", () => {
  test("are ratios of what was measured in the run", () => {
    const goals = measureGoals([
      row("put-100B@1000", "millrace", 1200),
      row("put-100B@1000", "ioredis-auto", 200),
      row("put-100B@1000", "redis-benchmark", 1200),
      row("get-100B@100", "millrace", 1, 30),
      row("get-100B@100", "ioredis", 1, 100),
    ]);
    const found = Object.fromEntries(goals.map((goal) => [goal.id, [goal.measured, goal.pass]]));
    assert.deepEqual(found["M1.put"], [1, false]);
    assert.deepEqual(found["M1.put-auto"], [6, true]);
    assert.deepEqual(found["M1.p50-get-100"], [0.3, true]);
    assert.deepEqual(found["M1.errors"], [0, true]);
    assert.equal(found["M1.get"], undefined);
  });

  test("compare round with round, and leave out rounds that only one of them had", () => {
    const rounds = (subject: string, ...rates: number[]) => ({
      ...row("get-1KiB@1", subject, rates[0]!),
      rounds: rates,
    });
    const goals = measureGoals([rounds("millrace", 200, 20, 200, 1, 1), rounds("ioredis", 100, 10, 100)]);
    assert.equal(goals.find(({ id }) => id === "M1.1KiB")?.measured, 2);
    const close = measureGoals([rounds("millrace", 200, 90), rounds("ioredis", 100, 100)]);
    assert.equal(close.find(({ id }) => id === "M1.1KiB")?.note, "too close to tell");
  });

  test("all rounds of a cell are of millrace and of those that a goal holds it against", () => {
    const rounds = (cell: string, ...subjects: string[]): number[] =>
      subjects.map((subject) => roundsOf(workloadNamed(cell), subject));
    const { rounds: all, tableRounds: fewer } = workloadNamed("put-ttl-100B@1000");
    assert.ok(fewer < all);
    const inTurn = ["millrace", "iovalkey-auto", "redis-benchmark", "ioredis-auto", "node-redis"];
    assert.deepEqual(rounds("put-ttl-100B@1000", ...inTurn), [all, all, all, fewer, fewer]);
    assert.deepEqual(rounds("get-100B@10", "millrace", "ioredis", "ioredis-auto"), [10, 10, 6]);
    assert.deepEqual(rounds("get-16KiB@1", "millrace", "ioredis", "valkey-glide"), [6, 6, 6]);
    const quick = { ...workloadNamed("get-100B@10"), rounds: 2 };
    assert.equal(roundsOf(quick, "ioredis-auto"), 2);
  });

  test("the closest race of a value size decides it", () => {
    const goals = measureGoals([
      row("get-1KiB@1", "millrace", 95),
      row("get-1KiB@1", "ioredis", 100),
      row("get-1KiB@1", "redis-benchmark", 1000),
      row("put-1KiB@1", "millrace", 300),
      row("put-1KiB@1", "ioredis", 100),
    ]);
    const goal = goals.find(({ id }) => id === "M1.1KiB");
    assert.deepEqual([goal?.measured, goal?.pass], [0.95, false]);
    assert.match(goal?.title ?? "", /get-1KiB@1 against ioredis/);
    assert.equal(goal?.note, undefined);
  });
});

describe("rounds of goals that are close", () => {
  /** Rounds alternate between two rates. */
  function contestant(name: string, ...rates: [number, number]): Contestant & { rounds: number[] } {
    const rounds = [rates[0], rates[1], rates[0]];
    const round = async (): Promise<void> => void rounds.push(rates[rounds.length % 2]!);
    return { name, rounds, round };
  }
  const options = (spareMs: number) => ({ spare: new SpareTime(spareMs, 1), progress: () => {} });

  test("are too close to tell where some say one thing and some another, in cells that have a goal", () => {
    const own = contestant("millrace", 110, 105);
    const isClose = (workload: string, other: Contestant): boolean =>
      isTooCloseToTell(workload, own, other, other.name);
    assert.equal(isClose("get-16KiB@1", contestant("ioredis", 100, 110)), true);
    assert.equal(isClose("get-16KiB@1", contestant("ioredis", 100, 100)), false);
    assert.equal(isClose("get-16KiB@1", contestant("ioredis", 120, 120)), false);
    assert.equal(isClose("get-16KiB@1", contestant("redis-benchmark", 100, 110)), false);
    assert.equal(isClose("get-100B@1", contestant("ioredis", 100, 110)), false);
    assert.equal(isClose("put-100B@1000", contestant("redis-benchmark", 101, 94)), true);
  });

  test("go on beside those only that are close, until they tell", async () => {
    const own = contestant("millrace", 110, 105);
    const close = contestant("ioredis", 100, 110);
    const clear = contestant("node-redis", 50, 50);
    let now = 0;
    close.round = async () => void close.rounds.push(now++ < 40 ? 90 : 100);
    await roundsOfClose("get-16KiB@1", [own, close, clear], options(60_000));
    assert.ok(close.rounds.length > 3 && close.rounds.length < 40, String(close.rounds.length));
    assert.deepEqual([own.rounds.length, clear.rounds.length], [close.rounds.length, 3]);
  });

  test("end with the time there is, and without a cell of millrace there are none", async () => {
    const own = contestant("millrace", 110, 105);
    const close = contestant("ioredis", 100, 110);
    await roundsOfClose("get-16KiB@1", [own, close], options(0));
    await roundsOfClose("get-16KiB@1", [close], options(60_000));
    assert.deepEqual([own.rounds.length, close.rounds.length], [3, 3]);
    await roundsOfClose("get-16KiB@1", [own, close], options(20));
    assert.ok(own.rounds.length > 3);
  });
});

describe("objectives", () => {
  test("compare the figure they name in its own unit", () => {
    const measured = row("get-100B@10000/s", "millrace", 10_000);
    const pass = (text: string): boolean => judgeSlo(parseSlo(text), measured).pass;
    assert.equal(pass("get.p99<1ms"), true);
    assert.equal(pass("get.p99<0.9ms"), false);
    assert.equal(pass("get.p99<=900us"), true);
    assert.equal(pass("get.p99.9<1ms"), false);
    assert.equal(pass("get.ops>=10k"), true);
    assert.equal(pass("get.ops > 10k"), false);
    assert.equal(pass("get.errors<=0"), true);
    assert.equal(parseSlo("get-1KiB@1000.p50<2ms").target, "get-1KiB@1000");
  });

  test("what was not measured is missed, and so is what no operation came back in", () => {
    assert.equal(judgeSlo(parseSlo("get.p99<1ms"), undefined).pass, false);
    const empty = { ...row("get-100B@0.1/s", "millrace", 0, 0), p99Us: 0 };
    for (const text of ["get.p99<1ms", "get.errors<=0", "get.ops<1k"]) {
      assert.equal(judgeSlo(parseSlo(text), empty).pass, false, text);
    }
  });
});

describe("the baseline", () => {
  test("allows as much as it says and compares only what both runs have", () => {
    const before = [row("a", "millrace", 1000), row("b", "millrace", 1000), row("a", "ioredis", 1000)];
    const now = [row("a", "millrace", 900), row("b", "millrace", 899), row("a", "ioredis", 1), row("c", "millrace", 1)];
    const verdicts = compareWithBaseline(now, before, "millrace", 0.1);
    assert.deepEqual(
      verdicts.map(({ pass }) => pass),
      [true, false],
    );
    assert.match(verdicts[1]!.measured, /-10\.1 %/);
  });
});

describe("the baseline of an open loop", () => {
  const slowed = (workload: string, p50Us: number, p99Us: number): Comparison => ({
    ...row(workload, "millrace", 10_000, p50Us),
    p99Us,
  });

  test("is its p50 and p99, since its throughput is what was offered", () => {
    const before = [slowed("get-100B@10000/s", 200, 800)];
    const passes = (p50Us: number, p99Us: number): boolean[] =>
      compareWithBaseline([slowed("get-100B@10000/s", p50Us, p99Us)], before, "millrace", 0.1).map(({ pass }) => pass);
    assert.deepEqual(passes(100, 880), [true, true]);
    assert.deepEqual(passes(200, 80_000), [true, false]);
    assert.deepEqual(passes(221, 800), [false, true]);
  });

  test("is not compared where the earlier report has no latencies", () => {
    const before = [{ ...row("get-100B@10000/s", "millrace", 10_000), p50Us: null, p99Us: null }];
    assert.deepEqual(compareWithBaseline([slowed("get-100B@10000/s", 1, 1)], before, "millrace", 0.1), []);
  });
});

describe("redis-benchmark's figures", () => {
  test("are found behind a command that itself holds commas and quotes", () => {
    const output =
      '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n' +
      '"SET k {"a":1,"b","c"}","869565.25","1.119","0.088","1.055","1.719","2.527","3.975"\n';
    assert.deepEqual(parseCsv(output), { opsPerSec: 869_565.25, meanUs: 1119, p50Us: 1055, p99Us: 2527, maxUs: 3975 });
  });

  test("anything else is an error", () => {
    assert.throws(() => parseCsv("Could not connect"), /Could not connect/);
  });
});

describe("files", () => {
  const report = reportOf({
    targets: [judge({ ...target, bound: "below" }), judge({ ...target, id: "T2", bound: "at most", measured: null })],
    comparisons: [row("get-100B@1", "millrace", 1000), row("get-100B@1", "ioredis", 900)],
    verdicts: [{ kind: "slo", title: "get.p99<1ms", measured: "2 ms", pass: false }],
  });

  test("JUnit fails exactly when the run does", () => {
    const goal = judge({ ...target, id: "M1.put", bound: "below" });
    const ours = { ...row("postgres-get-100B@1000", "millrace", 1), errors: 5 };
    const theirs = { ...row("get-100B@1", "ioredis", 1), errors: 5 };
    const verdict = { kind: "baseline", title: "t", measured: "m", pass: true } as const;
    const runs: [parts: Partial<BenchReport>, text: RegExp][] = [
      [{ targets: [goal] }, /<skipped message="missed.*below 10.0 ms, measured 10.0"/],
      [{ targets: [{ ...goal, id: "T1" }] }, /<failure message="below 10.0 ms/],
      [{ comparisons: [ours] }, /<failure message="5 in postgres-get-100B@1000 \(millrace\)"/],
      [{ comparisons: [{ ...ours, subject: "millrace lz4" }] }, /<failure/],
      [{ comparisons: [theirs] }, /name="no operation of millrace failed/],
      [{ verdicts: [verdict] }, /name="t"/],
      [{ verdicts: [{ ...verdict, pass: false }] }, /<failure message="m"/],
    ];
    for (const [parts, text] of runs) {
      const run = reportOf(parts);
      const xml = junitXml(run, "millrace");
      assert.match(xml, text);
      assert.equal(xml.includes("<failure"), hasFailed(run, "millrace"), xml);
    }
  });

  test("JUnit has a case for every target and objective, with failures and skips counted", () => {
    const xml = junitXml(report, "millrace");
    assert.match(xml, /<testsuite name="targets" tests="2" failures="1" skipped="1">/);
    assert.match(xml, /<testsuite name="slo" tests="1" failures="1" skipped="0">/);
    assert.ok(!xml.includes("<singles>"));
    assert.ok(!xml.includes("p99<1ms"));
  });

  test("the page stands alone and escapes what it shows", () => {
    const html = htmlPage(report);
    assert.doesNotMatch(html, /(src|href)=|@import|url\(/);
    assert.match(html, /prefers-color-scheme: dark/);
    assert.match(html, /name="viewport"/);
    assert.match(html, /<svg /);
    assert.ok(!html.includes("<singles>"));
    assert.ok(!/NaN|undefined|Infinity/.test(html));
  });
});
