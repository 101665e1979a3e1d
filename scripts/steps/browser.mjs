import { existsSync } from "node:fs";
import { installWithApt, onPath } from "./system-packages.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Finds a Chromium for the tests of the live page, or installs Debian's as root. The path, or null. */
export async function provideBrowser() {
  return found() ?? ((await installWithApt("chromium", "no Chromium on the PATH")) ? (found() ?? null) : null);
}

function found() {
  const given = process.env.MILLRACE_CHROMIUM;
  if (given) return existsSync(given) ? given : undefined;
  return NAMES.map((name) => onPath(name)).find((path) => path !== undefined);
}
