import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { aptInstall, hasApt, onPath } from "./apt.mjs";
import { say } from "./process.mjs";

/** Where distributions keep the programs that are not on the PATH. */
const INSTALLED = "/usr/lib/postgresql";

/**
 * Finds a PostgreSQL, or gets one: the server that MILLRACE_POSTGRES_URL names, programs (tests and bench start their
 * own servers from them), else apt's. PgBouncer comes along where apt brings something. Resolves to what was found, or
 * null.
 */
export async function providePostgres() {
  const found = foundPostgres();
  const isComplete = found !== null && hasPgBouncer();
  if (isComplete || !hasApt()) return found;
  say("installing PostgreSQL and PgBouncer with apt-get");
  await aptInstall(["postgresql", "pgbouncer"]);
  return foundPostgres();
}

function foundPostgres() {
  const url = process.env.MILLRACE_POSTGRES_URL;
  if (url !== undefined && url !== "") return url;
  const installed = existsSync(INSTALLED)
    ? readdirSync(INSTALLED).map((version) => join(INSTALLED, version, "bin"))
    : [];
  const folders = [process.env.MILLRACE_POSTGRES_BIN ?? "", ...installed];
  return folders.find((folder) => folder !== "" && existsSync(join(folder, "initdb"))) ?? onPath("initdb") ?? null;
}

function hasPgBouncer() {
  return onPath("pgbouncer") !== undefined || existsSync("/usr/sbin/pgbouncer");
}
