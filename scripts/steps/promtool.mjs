import { aptInstall, hasApt, onPath } from "./apt.mjs";
import { say } from "./process.mjs";

/**
 * Finds promtool, with which the alert rules are tested, or gets it with apt. Nothing depends on it: without it the
 * rules' names are still checked.
 */
export async function providePromtool() {
  if (onPath("promtool") !== undefined || !hasApt()) return;
  say("no promtool on the PATH; installing prometheus with apt-get");
  await aptInstall(["prometheus"]);
}
