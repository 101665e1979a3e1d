// Compiled, never run: each line under an expected error must be one, or the build fails.
import type { Engine, Table, TableCodec } from "../../src/index.js";

interface User {
  readonly name: string;
}

declare const engine: Engine;
declare const userCodec: TableCodec<User>;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<A>() {
  return <B>(_given: B, _same: Same<A, B>): void => {};
}

export async function typesOfTables(): Promise<void> {
  const users = engine.table<User>("users");
  expectType<Table<User>>()(users, true);
  expectType<User | null>()(await users.get("a"), true);
  expectType<(User | null)[]>()(await users.batchGet(["a"]), true);
  expectType<User | null>()(await users.getAndDelete("a"), true);
  for await (const [key, user] of users.entries()) {
    expectType<string>()(key, true);
    expectType<User>()(user, true);
  }
  await users.put("a", { name: "Ada" }, { ttlMs: 1000 });
  // @ts-expect-error: the value is not of the table's type
  await users.put("a", { title: "Ada" });
  // @ts-expect-error: null stands for a key that is not there
  await users.put("a", null);
  // @ts-expect-error: one entry is not of the table's type
  await users.batchPut([["a", 5]]);
  // @ts-expect-error: nor is what is to be swapped in
  await users.compareAndSwap("a", null, "Ada");
  // @ts-expect-error: there is no such option of a call
  await users.get("a", { ttlMs: 5 });

  // The type comes from the codec, or from parse.
  expectType<Table<User>>()(engine.table("users", userCodec), true);
  expectType<Table<User>>()(engine.table("users", { codec: userCodec, version: 2 }), true);
  expectType<Table<number>>()(engine.table("n", { parse: Number }), true);

  engine.table<User>("users", {
    version: 3,
    migrations: { 1: (name: string) => ({ name }), 2: (old: { readonly name: string }) => old },
  });
  // @ts-expect-error: no such format
  engine.table<User>("users", "yaml");
  // @ts-expect-error: the codec is for other values
  engine.table<number>("n", userCodec);
  // @ts-expect-error: a custom codec migrates by itself
  engine.table<User>("users", { codec: userCodec, version: 2, migrations: { 1: (old: User) => old } });
  // @ts-expect-error: parse must give the table's type
  engine.table<User>("users", { parse: Number });
}
