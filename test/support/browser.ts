import { after, test } from "node:test";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import type { TestScope } from "./stores.js";

/** As root no sandbox; and nothing that would call home. */
const ARGUMENTS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

export interface OpenedPage {
  readonly page: Page;
  /** What the page complained of: uncaught errors, failed loads, and whatever it wrote to its console as an error. */
  readonly complaints: readonly string[];
}

/** One browser for a file of tests; every page has a context, and so cookies and colours, of its own. */
export interface TestBrowser {
  open(t: TestScope, url: string, options?: BrowserContextOptions): Promise<OpenedPage>;
}

/**
 * Runs a suite in a real browser. Without one the suite fails where servers are required, and else says by name that it
 * was left out.
 */
export async function inBrowser(suite: string, run: (browser: TestBrowser) => void): Promise<void> {
  const executablePath = process.env.MILLRACE_CHROMIUM;
  if (executablePath === undefined || executablePath === "") {
    const message = "no Chromium: MILLRACE_CHROMIUM names none";
    const isRequired = !["", "0", "false"].includes(process.env.MILLRACE_REQUIRE_SERVERS ?? "");
    if (!isRequired) test(`${suite}: left out, ${message}`, { skip: message });
    else
      test(`${suite}: needs a browser`, () => {
        throw new Error(message);
      });
    return;
  }
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  after(() => browser.close());
  run({ open: (t, url, options) => openPage(browser, t, url, options) });
}

async function openPage(
  browser: Browser,
  t: TestScope,
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenedPage> {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(url);
  return { page, complaints };
}

/**
 * The texts of a page that stand out too little from what is behind them (WCAG 2.2, 1.4.3: 4.5 to 1), with their ratio.
 * Decorations that are hidden from assistive technology do not count.
 */
export async function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const parse = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
    const luminance = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
    const behind = (element) => {
      for (let at = element; at !== null; at = at.parentElement) {
        const color = parse(getComputedStyle(at).backgroundColor);
        if (color.length === 3 || color[3] > 0) return color;
      }
      return [255, 255, 255];
    };
    const faint = new Set();
    for (const element of document.querySelectorAll("body *")) {
      const text = Array.from(element.childNodes, (node) => (node.nodeType === 3 ? node.data.trim() : "")).join("");
      if (text === "" || element.closest("[aria-hidden=true], noscript, title") !== null) continue;
      const style = getComputedStyle(element);
      const ink = parse(element instanceof SVGElement ? style.fill : style.color);
      const [light, dark] = [luminance(ink), luminance(behind(element))].sort((a, b) => b - a);
      const ratio = (light + 0.05) / (dark + 0.05);
      if (ratio < 4.5) faint.add(text.slice(0, 40) + ": " + ratio.toFixed(2));
    }
    return [...faint];
  })()`);
}
