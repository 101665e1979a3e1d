import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { run, succeeds } from "./process.mjs";

const INIT_POLICY = "/usr/sbin/policy-rc.d";

/** Whether packages can be installed here: by root, on Debian or what descends from it. */
export function hasApt() {
  return process.platform === "linux" && process.getuid?.() === 0 && isDebianLike() && onPath("apt-get") !== undefined;
}

/** Installs packages and leaves none of their services running. Whether it worked shows in what is there afterwards. */
export async function aptInstall(packages, services = packages) {
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  await withoutServiceStarts(async () => {
    // An update that fails in part may still have fetched the list that matters, so the install decides.
    await run("apt-get", ["update", "-qq"], quiet);
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], quiet);
  });
  // They were not there before, so nobody else relies on the services.
  for (const service of services) {
    if (existsSync("/run/systemd/system")) succeeds("systemctl", ["disable", "--now", service]);
    else succeeds("service", [service, "stop"]);
  }
}

/** The path of a program, or undefined. */
export function onPath(program) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Packages of servers start them as system services; this policy forbids it while they are installed. */
async function withoutServiceStarts(work) {
  const ours = !existsSync(INIT_POLICY);
  if (ours) writeFileSync(INIT_POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await work();
  } finally {
    if (ours) rmSync(INIT_POLICY);
  }
}

function isDebianLike() {
  return (
    existsSync("/etc/os-release") && /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"))
  );
}
