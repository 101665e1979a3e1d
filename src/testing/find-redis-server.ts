import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

export type RedisKind = "redis" | "valkey";

export interface RedisExecutable {
  readonly path: string;
  readonly kind: RedisKind;
  readonly version: string;
}

/** Path of the first of these programs that the PATH has, or null. */
export async function findOnPath(names: readonly string[]): Promise<string | null> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    if (folder === "") continue;
    for (const name of names) {
      const candidate = join(folder, name);
      try {
        await access(candidate, constants.X_OK);
        return candidate;
      } catch {
        // Not here: the search goes on, and null is the answer when it ends.
      }
    }
  }
  return null;
}

/** `MILLRACE_REDIS_SERVER`, else redis-server or valkey-server on the PATH; null when there is none that runs. */
export async function findRedisServer(): Promise<RedisExecutable | null> {
  const path = process.env.MILLRACE_REDIS_SERVER ?? (await findOnPath(["redis-server", "valkey-server"]));
  if (path === null || path === "") return null;
  const banner = await promisify(execFile)(path, ["--version"]).then(
    (output) => output.stdout,
    () => null,
  );
  if (banner === null) return null;
  return {
    path,
    kind: /valkey/i.test(banner) ? "valkey" : "redis",
    version: /\bv=(\S+)/.exec(banner)?.[1] ?? "unknown",
  };
}
