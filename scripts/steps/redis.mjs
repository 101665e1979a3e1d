import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { run, say, succeeds } from "./process.mjs";

const COMPOSE_FILE = "docker-compose.bench.yml";
const COMPOSE_PORT = 16_379;
const INIT_POLICY = "/usr/sbin/policy-rc.d";

/**
 * Finds a Redis or Valkey, or gets one: the server that MILLRACE_REDIS_URL names, a program on the PATH (tests and
 * bench start their own servers from it), one installed with apt, one in a container. Null when nothing helps.
 *
 * Resolves to `{ found, env, stop }`: what it is (a URL or a path), the environment for those who use it, and how to
 * end what was started for them.
 */
export async function provideRedis() {
  return redisByUrl() ?? redisOnPath() ?? (await redisFromApt()) ?? (await redisFromCompose()) ?? null;
}

function redisByUrl() {
  const url = process.env.MILLRACE_REDIS_URL;
  return url === undefined || url === "" ? undefined : { found: url, env: {}, stop: async () => {} };
}

function redisOnPath() {
  const given = process.env.MILLRACE_REDIS_SERVER;
  const found = given || onPath("redis-server") || onPath("valkey-server");
  return found ? { found, env: {}, stop: async () => {} } : undefined;
}

async function redisFromApt() {
  if (process.platform !== "linux" || process.getuid?.() !== 0 || !isDebianLike() || !onPath("apt-get"))
    return undefined;
  say("no Redis on the PATH; installing redis-server with apt-get");
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  await withoutServiceStarts(async () => {
    // An update that fails in part may still have fetched the list that matters, so the install decides.
    await run("apt-get", ["update", "-qq"], quiet);
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "redis-server"], quiet);
  });
  // It was not there before, so nobody else relies on the service.
  if (existsSync("/run/systemd/system")) succeeds("systemctl", ["disable", "--now", "redis-server"]);
  else succeeds("service", ["redis-server", "stop"]);
  return redisOnPath();
}

async function redisFromCompose() {
  const [command, ...prefix] = succeeds("docker", ["compose", "version"]) ? ["docker", "compose"] : ["docker-compose"];
  if (!onPath(command) || !succeeds("docker", ["info"])) return undefined;
  say("no Redis on the PATH; starting one with docker compose");
  const compose = (...args) => run(command, [...prefix, "-f", COMPOSE_FILE, ...args]);
  const stop = async () => {
    await compose("rm", "--stop", "--force", "redis");
  };
  if ((await compose("up", "--detach", "--wait", "redis")) !== 0) {
    await stop();
    return undefined;
  }
  const url = `redis://127.0.0.1:${process.env.MILLRACE_COMPOSE_REDIS_PORT || COMPOSE_PORT}`;
  return { found: url, env: { MILLRACE_REDIS_URL: url }, stop };
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

function onPath(program) {
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
