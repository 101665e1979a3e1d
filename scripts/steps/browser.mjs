import { existsSync } from "node:fs";
import { aptInstall, hasApt, onPath } from "./apt.mjs";
import { say } from "./process.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/**
 * Finds a Chromium for the tests of pages and reports, or gets Debian's with apt. Resolves to its path, or null. A path
 * that is given (`MILLRACE_CHROMIUM`) stands in place of all of that.
 */
export async function provideBrowser() {
  const found = foundBrowser();
  if (found !== undefined || process.env.MILLRACE_CHROMIUM || !hasApt()) return found ?? null;
  say("no Chromium on the PATH; installing it with apt-get");
  await aptInstall(["chromium"], []);
  return foundBrowser() ?? null;
}

function foundBrowser() {
  const given = process.env.MILLRACE_CHROMIUM;
  if (given) return existsSync(given) ? given : undefined;
  return NAMES.map((name) => onPath(name)).find((path) => path !== undefined);
}
