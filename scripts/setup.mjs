import { build } from "./steps/build.mjs";
import { install } from "./steps/install.mjs";
import { providePostgres } from "./steps/postgres.mjs";
import { say } from "./steps/process.mjs";
import { provideRedis } from "./steps/redis.mjs";

/**
 * All that tests and bench need, on a machine that has only Node and npm. Resolves to the Redis found (see
 * `provideRedis`) and the PostgreSQL (a URL, or where its programs are), each null if there is none to be had.
 */
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
  const postgres = await providePostgres();
  if (postgres === null) {
    say(
      "PostgreSQL was not found: no MILLRACE_POSTGRES_URL, no programs in MILLRACE_POSTGRES_BIN, /usr/lib/postgresql " +
        "or on the PATH, none to be had from apt (as root on Debian or Ubuntu)",
    );
  }
  return { redis, postgres };
}
