import { build } from "./steps/build.mjs";
import { install } from "./steps/install.mjs";
import { say } from "./steps/process.mjs";
import { provideRedis } from "./steps/redis.mjs";

/** All that tests and bench need, on a machine that has only Node and npm. Resolves to the Redis found, or null. */
export async function setUp() {
  await install();
  await build();
  const redis = await provideRedis();
  if (redis === null) {
    say(
      "Redis was not found: no MILLRACE_REDIS_URL, no redis-server or valkey-server on the PATH, " +
        "none to be had from apt (as root on Debian or Ubuntu) or docker compose",
    );
  }
  return redis;
}
