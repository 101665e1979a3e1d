import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { type BenchReport, type Comparison, judge } from "../../../bench/lib/report.js";
import { temporaryFolder } from "../../../src/testing/index.js";
import { ROOT, section } from "./document.js";

const run = promisify(execFile);
const SCRIPT = join(ROOT, "scripts", "update-benchmarks.mjs");
const DOCUMENT = "# Before\n\n<!-- benchmarks:begin -->\nold\n<!-- benchmarks:end -->\n\nAfter.\n";

function row(subject: string, opsPerSec: number, p50Us: number | null): Comparison {
  const rest = { p99Us: 2500, p999Us: null, cpuUsPerOp: 0.8, errors: 0, meanUs: null, maxUs: null, rounds: [] };
  return { workload: "put-100B@1000", subject, opsPerSec, p50Us, ...rest };
}

const REPORT: BenchReport = {
  schema: 1,
  environment: {
    millrace: "0.1.0",
    commit: "0123456789ab",
    date: "2026-11-21T10:00:00.000Z",
    node: "v20.20.2",
    v8: "11.3",
    cpus: "Some CPU",
    cores: 2,
    memoryGiB: 24,
    os: "Linux 6",
    loadAverage: 0.5,
    otherLoad: 0.03,
    redis: "redis 7.0.15",
    backend: "a Redis of this run",
    peers: { ioredis: "6.0.0" },
    settings: { roundMs: 170 },
  },
  targets: [
    judge({
      id: "T1",
      title: "one by one",
      source: "B",
      goal: 10_000,
      bound: "at least",
      unit: "ops/s",
      measured: 50_065.2,
    }),
    judge({ id: "T2", title: "batches", source: "B", goal: 5, bound: "at most", unit: "ms", measured: 9.5 }),
    judge({
      ...{ id: "M1.put-auto", title: "put-100B@1000: ops/s against ioredis-auto", source: "run", goal: 6 },
      ...{ bound: "at least" as const, unit: "x", measured: 6.254 },
    }),
  ],
  comparisons: [row("millrace", 1_251_000, 650), row("ioredis-auto", 200_000, null)],
  verdicts: [],
};

async function entered(report: unknown, document = DOCUMENT): Promise<{ readme: string; details: string }> {
  const folder = await temporaryFolder("millrace-figures-");
  try {
    await mkdir(join(folder.path, "docs"));
    await writeFile(join(folder.path, "README.md"), document);
    await writeFile(join(folder.path, "docs", "benchmarks.md"), document);
    await writeFile(join(folder.path, "report.json"), JSON.stringify(report));
    await run(process.execPath, [SCRIPT, join(folder.path, "report.json"), folder.path]);
    return {
      readme: await readFile(join(folder.path, "README.md"), "utf8"),
      details: await readFile(join(folder.path, "docs", "benchmarks.md"), "utf8"),
    };
  } finally {
    await folder.remove();
  }
}

test("a report is entered between the markers and nowhere else", async () => {
  const { readme, details } = await entered(REPORT);
  for (const text of [readme, details]) {
    assert.equal(text.replace(section(text, "benchmarks"), "old\n"), DOCUMENT);
    assert.match(text, /2026-11-21, millrace 0\.1\.0 \(0123456789ab\)[\s\S]*redis 7\.0\.15[\s\S]*Node v20\.20\.2/);
    assert.match(text, /other programs took 3 % of the machine; rounds of 170 ms; ioredis 6\.0\.0/);
  }
});

test("the goals stand in the README with both figures, the targets and cells in the details", async () => {
  const { readme, details } = await entered(REPORT);
  assert.ok(readme.includes("| put-100B@1000, ops/s | 1.25 M | 200 k ioredis-auto | 6.25 x | ≥ 6 x | met |"), readme);
  assert.ok(readme.includes("T1 to T8, which are no comparisons, 1 of 2 were met; missed: T2."));
  assert.ok(details.includes("| T1 | one by one | ≥ 10,000 ops/s | 50,065 ops/s | met |"), details);
  assert.ok(details.includes("| T2 | batches | ≤ 5 ms | 9.50 ms | **missed** |"));
  assert.ok(details.includes("| millrace | 1.25 M | 650 µs | 2.50 ms | – | 0.8 µs | 0 |"));
});

test("a quick run is called one", async () => {
  const { environment } = REPORT;
  const { readme } = await entered({
    ...REPORT,
    environment: { ...environment, settings: { roundMs: 60, quick: true } },
  });
  assert.match(readme, /a quick look, no measurement: rounds of 60 ms/);
});

test("of rounds that there were not nothing is said", async () => {
  const { environment } = REPORT;
  const { readme } = await entered({ ...REPORT, environment: { ...environment, settings: {} } });
  assert.match(readme, /3 % of the machine; ioredis 6\.0\.0/);
});

test("entering a report again changes nothing", async () => {
  const { readme } = await entered(REPORT);
  assert.equal((await entered(REPORT, readme)).readme, readme);
});

test("what is no report, and a document without markers, are refused", async () => {
  await assert.rejects(entered({ ...REPORT, schema: 2 }), /no report of the bench with schema 1/);
  await assert.rejects(entered(REPORT, "# No markers\n"), /README\.md has no markers/);
});
