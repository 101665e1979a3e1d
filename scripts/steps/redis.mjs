import { aptInstall, hasApt, onPath } from "./apt.mjs";
import { run, say, succeeds } from "./process.mjs";

const COMPOSE_FILE = "docker-compose.bench.yml";
const COMPOSE_PORT = 16_379;

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
  if (!hasApt()) return undefined;
  say("no Redis on the PATH; installing redis-server with apt-get");
  await aptInstall(["redis-server"]);
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
