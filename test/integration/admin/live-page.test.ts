import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as turn } from "node:timers/promises";
import type { Page } from "playwright-core";
import {
  type AdminServer,
  type AdminServerOptions,
  createAdminServer,
  createEngine,
  type Engine,
  type EngineOptions,
} from "../../../src/index.js";
import { startRedis } from "../../../src/testing/index.js";
import { faintTexts, inBrowser } from "../../support/browser.js";
import { redisIsThere } from "../../support/stores.js";
import { until as untilWithin } from "../../support/until.js";

/** A browser on a busy machine takes its time. */
const LIMIT_MS = 60_000;
const TOKEN = "a-token-of-enough-letters";

async function serve(
  t: TestContext,
  options: AdminServerOptions = {},
  engineOptions: EngineOptions = {},
): Promise<{ engine: Engine; admin: AdminServer }> {
  const engine = await createEngine({ backend: "memory:", ...engineOptions });
  const admin = await createAdminServer(engine, { sampleMs: 100, ...options });
  t.after(async () => {
    await admin.close();
    await engine.close();
  });
  return { engine, admin };
}

function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  return untilWithin(what, condition, LIMIT_MS);
}

/** The figures of the table of operations, as the page shows them. */
async function settledOf(page: Page, operation: string): Promise<number> {
  const rows = page.locator("#operations tbody tr", { hasText: operation });
  const text = await rows.first().locator("td").nth(1).textContent({ timeout: 10_000 });
  return Number((text ?? "").replace(/\D/g, ""));
}

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).first().textContent()) ?? "";
}

/** Some of everything that the page can show. */
async function work(engine: Engine): Promise<void> {
  const keys = Array.from({ length: 200 }, (_, index) => `order:${index}`);
  await Promise.all(keys.map((key) => engine.put(key, "x".repeat(2000))));
  await Promise.all(keys.map((key) => engine.get(key)));
  await engine.get("absent");
  await engine.increment("visits");
}

await inBrowser("the live page", (browser) => {
  test("its figures move under load and are those of stats()", async (t) => {
    const { engine, admin } = await serve(t, { title: "orders" });
    await engine.put("key", "value");
    const { page, complaints } = await browser.open(t, admin.url);
    await until("the first figure is shown", async () => (await textOf(page, "#tiles")).includes("1 since start"));
    assert.equal(await textOf(page, "#title"), "orders");

    let isOver = false;
    const load = (async () => {
      while (!isOver) {
        await work(engine);
        // This process serves the page as well, and the store in memory never makes it wait.
        await turn();
      }
    })();
    await until("throughput is shown", async () => /[1-9]/.test(await textOf(page, "#tile-throughput")));
    await until(
      "percentiles are drawn",
      async () => (await page.locator("#chart-latency polyline.line-4").count()) > 0,
    );
    isOver = true;
    await load;

    const { latency, operationsTotal, hitRate } = engine.stats();
    // One after the other: the last figures drawn may be from before the last call.
    for (const operation of ["get", "put", "increment"] as const) {
      const { count } = latency[operation]!;
      await until(`the ${operation}s agree`, async () => (await settledOf(page, operation)) === count);
    }
    const total = async () => Number((await textOf(page, "#tiles .tile-note")).replace(/\D/g, ""));
    await until("the total agrees", async () => (await total()) === operationsTotal);
    assert.ok(hitRate > 0.9);
    await until("throughput has gone back", async () => (await textOf(page, "#tile-throughput")) === "0/s");
    assert.equal(await page.locator("#chart-curve polyline").count(), 4);
    assert.equal(await textOf(page, "#verdict-text"), "Healthy");
    assert.deepEqual(complaints, []);
  });

  test("has room on a telephone and on a wide screen, and is legible in light and dark", async (t) => {
    const slo = [{ operation: "get", percentile: 99, latencyMs: 0.001 } as const];
    const { engine, admin } = await serve(t, {}, { slo, cache: {}, slowLog: { thresholdMs: 0, capacity: 32 } });
    await work(engine);
    for (const width of [360, 768, 1280, 2200]) {
      for (const colorScheme of ["light", "dark"] as const) {
        const { page, complaints } = await browser.open(t, admin.url, {
          colorScheme,
          viewport: { width, height: 800 },
        });
        await page.locator("#slow tbody tr").first().waitFor();
        await page.locator("#objectives .card").first().waitFor();
        await page.locator("#parts .card", { hasText: "Cache in this process" }).waitFor();
        const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
        assert.ok(overflow <= 0, `${overflow} pixels too wide at ${width}`);
        assert.deepEqual(await faintTexts(page), [], `${colorScheme} at ${width}`);
        assert.deepEqual(complaints, []);
        await page.context().close();
      }
    }
  });

  test("asks nothing of other servers and is named throughout for those who do not see it", async (t) => {
    const { admin } = await serve(t);
    const { page } = await browser.open(t, "about:blank");
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(admin.url);
    await until("it is live", async () => (await textOf(page, "#stream-text")) === "Live");
    assert.ok(asked.length > 10);
    assert.deepEqual(
      asked.filter((url) => !url.startsWith(`${admin.url}/`)),
      [],
    );
    const unnamed = await page.evaluate<
      string[]
    >(`Array.from(document.querySelectorAll("svg, select, input, button, img"))
      .filter((element) => element.closest("[aria-hidden=true]") === null)
      .filter((element) => !element.getAttribute("aria-label") && !element.closest("label") &&
        !element.textContent.trim() && element.getAttribute("alt") === null)
      .map((element) => element.outerHTML.slice(0, 80))`);
    assert.deepEqual(unnamed, []);
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    assert.match(
      (await page.locator("#chart-throughput svg[role=img]").getAttribute("aria-label")) ?? "",
      /^Throughput.*settled/,
    );
  });

  test("shows a key as text, whatever stands in it", async (t) => {
    const { engine, admin } = await serve(t, { title: "<b>orders</b>" }, { slowLog: { thresholdMs: 0 } });
    const key = "<img src=x onerror=alert(1)>";
    await engine.put(key, "a value that is shown nowhere");
    const { page, complaints } = await browser.open(t, admin.url);
    await page.locator("#slow tbody tr").first().waitFor();
    assert.ok((await textOf(page, "#slow td.key")).includes("onerror"));
    assert.equal(await textOf(page, "#title"), "<b>orders</b>");
    assert.equal(await page.locator("#slow img").count(), 0);
    assert.doesNotMatch(await page.content(), /shown nowhere/);
    assert.deepEqual(complaints, []);
  });

  test("rests while nobody looks, and catches up", async (t) => {
    const { engine, admin } = await serve(t);
    const { page } = await browser.open(t, admin.url);
    const look = (state: "hidden" | "visible"): Promise<void> =>
      page.evaluate(`Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
        document.dispatchEvent(new Event("visibilitychange"))`);
    await until("it is live", async () => (await textOf(page, "#stream-text")) === "Live");
    await look("hidden");
    await until("it rests", async () => (await textOf(page, "#stream-text")) === "Paused");
    await engine.put("key", "value");
    await look("visible");
    await until("it has caught up", async () => (await textOf(page, "#tiles")).includes("1 since start"));
    await page.locator("#pause").click();
    await until("it rests again", async () => (await textOf(page, "#stream-text")) === "Paused");
    await page.locator("#pause").click();
    await until("it goes on", async () => (await textOf(page, "#stream-text")) === "Live");
  });

  test("lets whoever has the token in by its form, and keeps the token out of the address", async (t) => {
    const { admin } = await serve(t, { token: TOKEN });
    const { page } = await browser.open(t, admin.url);
    await page.locator("#token").fill("not-the-right-token");
    await page.locator("button").click();
    assert.equal(await page.locator("#token").count(), 1);
    assert.deepEqual(await faintTexts(page), []);
    await page.locator("#token").fill(TOKEN);
    await page.locator("button").click();
    await until("it is live", async () => (await textOf(page, "#stream-text")) === "Live");
    assert.equal(page.url(), `${admin.url}/`);
  });

  test("says when the server has gone, and goes on when it is back", async (t) => {
    const { engine, admin } = await serve(t);
    const { page } = await browser.open(t, admin.url);
    await until("it is live", async () => (await textOf(page, "#stream-text")) === "Live");
    await admin.close();
    await until("it has noticed", async () => (await textOf(page, "#stream-text")).startsWith("Connection lost"));
    const again = await createAdminServer(engine, { port: admin.port, sampleMs: 100 });
    t.after(() => again.close());
    await until("it is live again", async () => (await textOf(page, "#stream-text")) === "Live");
  });

  test("shows first what is wrong", async (t) => {
    if (!(await redisIsThere("the page with a store that fails"))) return;
    const server = await startRedis();
    t.after(() => server.stop());
    const { engine, admin } = await serve(
      t,
      {},
      {
        backend: server.url,
        timeouts: { operationMs: 200 },
        retry: { retries: 0 },
        circuitBreaker: { failures: 3, resetMs: 60_000 },
      },
    );
    const { page } = await browser.open(t, admin.url);
    await until("it is healthy", async () => (await textOf(page, "#verdict-text")) === "Healthy");
    server.pause();
    await until("the circuit opens", async () => {
      await engine.get("key").catch(() => {});
      return engine.stats().circuit === "open";
    });
    await until("the page says so", async () => (await textOf(page, "#verdict-text")) === "Circuit open");
    assert.match(await page.title(), /^Circuit open · /);
    assert.ok((await textOf(page, "#parts .pill")).includes("open"));
    server.resume();
  });
});
