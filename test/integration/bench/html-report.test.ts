import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { htmlPage } from "../../../bench/lib/html-page.js";
import type { BenchReport, Comparison } from "../../../bench/lib/report.js";
import { temporaryFolder } from "../../../src/testing/index.js";
import { faintTexts, inBrowser } from "../../support/browser.js";

function row(workload: string, subject: string, opsPerSec: number, p50Us: number | null): Comparison {
  const p99Us = p50Us === null ? null : p50Us * 9;
  const p999Us = p50Us === null || subject === "redis-benchmark" ? null : p50Us * 30;
  return {
    ...{ workload, subject, opsPerSec, p50Us, p99Us, p999Us, cpuUsPerOp: 1.5, errors: subject === "keyv" ? 3 : 0 },
    ...{ meanUs: p50Us, maxUs: p999Us, rounds: [opsPerSec] },
  };
}

/** With what is long, absent, large and failed, as real reports have it. */
const REPORT: BenchReport = {
  schema: 1,
  environment: {
    ...{ millrace: "0.1.0", commit: "0123456789ab", date: "2026-01-01T00:00:00Z", node: "v20.20.2", v8: "11" },
    ...{ cpus: "A Processor With A Long Name @ 2.50GHz", cores: 2, memoryGiB: 24, os: "Linux 6.18", loadAverage: 0.3 },
    ...{ otherLoad: 0.4, redis: "redis 7.0.15", backend: "a Redis of this run", settings: {} },
    peers: { ioredis: "6.0.0", "@valkey/valkey-glide": "2.5.2" },
  },
  targets: [
    {
      id: "T1",
      title: "single <operations>",
      source: "B",
      goal: 1e4,
      bound: "at least",
      unit: "ops/s",
      measured: 1e5,
      pass: true,
    },
    {
      id: "T4",
      title: "p99",
      source: "E",
      goal: 1,
      bound: "below",
      unit: "ms",
      measured: 2,
      pass: false,
      note: "slow",
    },
    { id: "M1.get", title: "ops/s", source: "run", goal: 1, bound: "at least", unit: "x", measured: null, pass: null },
  ],
  comparisons: [
    row("get-100B@1000", "millrace", 1_010_000, 100),
    row("get-100B@1000", "redis-benchmark", 944_000, 120),
    row("codec-1KiB", "ioredis-auto+lz4-wasm", 30_000, 2_000_000),
    row("codec-1KiB", "keyv", 1, null),
  ],
  verdicts: [{ kind: "slo", title: "get.p99<1ms", measured: "158,720 us in get-100B@10000/s", pass: false }],
};

await inBrowser("the bench's report", (browser) => {
  test("is drawn without complaint, fits every screen, and is legible in light and dark", async (t) => {
    const folder = await temporaryFolder();
    t.after(() => folder.remove());
    const file = join(folder.path, "report.html");
    await writeFile(file, htmlPage(REPORT));
    for (const width of [360, 1280, 2200]) {
      for (const colorScheme of ["light", "dark"] as const) {
        const { page, complaints } = await browser.open(t, pathToFileURL(file).href, {
          colorScheme,
          viewport: { width, height: 800 },
        });
        const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
        assert.ok(overflow <= 0, `${overflow} pixels too wide at ${width}`);
        assert.deepEqual(await faintTexts(page), [], `${colorScheme} at ${width}`);
        const lettersPx = await page.evaluate<number>(`Math.min(...Array.from(document.querySelectorAll("svg text"),
          (text) => 11 * text.closest("svg").getBoundingClientRect().width / text.closest("svg").viewBox.baseVal.width))`);
        assert.ok(lettersPx >= 9, `letters of ${lettersPx} pixels at ${width}`);
        assert.equal(await page.locator("figure svg[role=img][aria-label]").count(), 4);
        assert.match((await page.locator("main").textContent()) ?? "", /single <operations>.*✓ met.*✕ missed/s);
        assert.match((await page.locator(".notice").textContent()) ?? "", /40 %/);
        assert.deepEqual(complaints, []);
      }
    }
  });
});
