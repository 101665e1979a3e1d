import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine, type Engine } from "../../../src/index.js";
import { type Settled, settled } from "../../support/outcomes.js";
import { queryOn } from "../../support/postgres-query.js";
import { onPostgres, type TestScope } from "../../support/stores.js";
import { until } from "../../support/until.js";

const TABLE = "millrace_entries";

await onPostgres("rows that the owner of the table forbids", (store, server) => {
  const query = (text: string): Promise<Record<string, unknown>[]> => queryOn(server.url, text);

  test("a row that the table's owner forbids fails alone, not those that it shares a statement with", async (t) => {
    const place = await store.place(t);
    const engine = await place.open({ retry: { retries: 0 } });
    const table = "millrace_entries";
    const forbids = (key: string): string => `key <> convert_to('${place.keyPrefix}${key}', 'UTF8')`;
    await engine.put("kept", "1");
    await query(`ALTER TABLE ${table} ADD CONSTRAINT of_a_test CHECK (${forbids("theirs")})`);
    await query(
      `CREATE FUNCTION of_a_test() RETURNS trigger LANGUAGE plpgsql AS
       $$BEGIN IF NOT (OLD.${forbids("kept")}) THEN RAISE 'this one stays'; END IF; RETURN OLD; END$$`,
    );
    await query(`CREATE TRIGGER of_a_test BEFORE DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION of_a_test()`);
    t.after(async () => {
      await query(`ALTER TABLE ${table} DROP CONSTRAINT of_a_test`);
      await query(`DROP TRIGGER of_a_test ON ${table}`);
      await query("DROP FUNCTION of_a_test()");
    });
    const names = Array.from({ length: 50 }, (_, index) => (index === 20 ? "theirs" : `mine ${index}`));
    for (const options of [undefined, { ttlMs: 60_000 }, { metadata: { n: 1 } }]) {
      const endings = await Promise.all(names.map((name) => settled(engine.put(name, name, options))));
      for (const [index, ending] of endings.entries()) {
        if (names[index] !== "theirs") {
          assert.ok(ending.ok, `${names[index]} failed with the other`);
          continue;
        }
        assert.ok(!ending.ok);
        const { reason, outcome, retryable, key } = ending.error;
        assert.deepEqual([reason, outcome, retryable, key], ["23514", "not-applied", false, "theirs"]);
      }
    }
    assert.deepEqual(
      (await engine.batchGet(names)).map((value) => value?.toString()),
      names.map((name) => (name === "theirs" ? undefined : name)),
    );
    const removals = await Promise.all(["kept", ...names].map((name) => settled(engine.delete(name))));
    assert.deepEqual(
      removals.map((ending) => (ending.ok ? ending.value : ending.error.reason)),
      ["P0001", ...names.map((name) => name !== "theirs")],
    );
    assert.equal((await engine.get("kept"))?.toString(), "1");
    assert.equal(engine.stats().circuit, "closed");
  });

  test("a conditional operation that is forbidden fails alone, not those in its transaction", async (t) => {
    const place = await store.place(t);
    const engine = await place.open({ retry: { retries: 0 } });
    const table = "millrace_entries";
    const theirs = `convert_to('${place.keyPrefix}theirs', 'UTF8')`;
    await query(`ALTER TABLE ${table} ADD CONSTRAINT of_a_test CHECK (key <> ${theirs})`);
    t.after(() => query(`ALTER TABLE ${table} DROP CONSTRAINT of_a_test`));
    const forbidden = ["23514", "not-applied", false, "theirs"];
    const calls: [Promise<unknown>, unknown][] = [];
    for (let i = 0; i < 12; i++) {
      calls.push(
        [engine.setIfNotExists(`new ${i}`, "1"), true],
        [engine.increment(`counter ${i % 3}`), BigInt(Math.floor(i / 3) + 1)],
      );
      if (i === 5) {
        calls.push(
          [engine.setIfNotExists("theirs", "not a number"), forbidden],
          [engine.increment("theirs"), forbidden],
          [engine.compareAndSwap("theirs", null, "1"), forbidden],
          [engine.compareAndSwap("theirs", "not a number", "1"), false],
          [engine.getAndDelete("theirs"), null],
          [
            engine.transaction([
              { type: "put", key: "with", value: "1" },
              { type: "put", key: "theirs", value: "1" },
            ]),
            [...forbidden.slice(0, 3), undefined],
          ],
        );
      }
      calls.push([
        engine.transaction([
          { type: "put", key: `step ${i}`, value: "1" },
          { type: "delete", key: `new ${i}` },
        ]),
        undefined,
      ]);
    }
    const endings = await Promise.all(calls.map(([call]) => settled(call)));
    const told = endings.map((ending) => {
      if (ending.ok) return ending.value;
      const { reason, outcome, retryable, key } = ending.error;
      return [reason, outcome, retryable, key];
    });
    assert.deepEqual(
      told,
      calls.map(([, expected]) => expected),
    );
    assert.deepEqual((await engine.listKeys("new")).length, 0);
    assert.equal(await engine.get("with"), null);
    assert.equal((await engine.listKeys("step")).length, 12);
    assert.equal(engine.stats().circuit, "closed");
  });

  test("increments of one key fail together, and never go past each other", async (t) => {
    const place = await store.place(t);
    const engine = await place.open({ retry: { retries: 0 } });
    const counter = `key = convert_to('${place.keyPrefix}counter', 'UTF8')`;
    const fullest = "convert_to('9223372036854775805', 'UTF8')";
    await engine.increment("counter", 9_223_372_036_854_775_800n);
    await query(`ALTER TABLE ${TABLE} ADD CONSTRAINT of_a_test CHECK (NOT (${counter} AND value = ${fullest}))`);
    t.after(() => query(`ALTER TABLE ${TABLE} DROP CONSTRAINT of_a_test`));
    // The last of one key stands beyond the eighth place, so that it is not among those that come again with the first.
    const others = Array.from({ length: 6 }, (_, index) => `other ${index}`);
    const calls = [
      ...[engine.increment("counter", 5), engine.increment("twice", 1)],
      ...others.map((key) => engine.increment(key)),
      ...[engine.increment("twice", 10), engine.increment("counter", 3)],
    ];
    const endings = await Promise.all(calls.map((call) => settled(call)));
    const told = endings.map((ending) => (ending.ok ? ending.value : ending.error.reason));
    assert.deepEqual(told, ["23514", 1n, ...others.map(() => 1n), 11n, "23514"]);
    assert.equal(String(await engine.get("counter")), "9223372036854775800");
  });

  test("a row that a trigger refuses with a code of its own fails alone, whichever code that is", async (t) => {
    const place = await store.place(t);
    const engine = await place.open({ retry: { retries: 0 } });
    const theirs = `convert_to('${place.keyPrefix}theirs', 'UTF8')`;
    t.after(() => query("DROP FUNCTION IF EXISTS of_a_test CASCADE"));
    for (const [code, refuse] of [
      ["45000", "RAISE 'no' USING ERRCODE = '45000'"],
      ["09000", "RAISE 'no' USING ERRCODE = 'triggered_action_exception'"],
      ["P0004", "ASSERT false, 'no'"],
      ["P0002", "RAISE 'no' USING ERRCODE = 'no_data_found'"],
      ["MY001", "RAISE 'no' USING ERRCODE = 'MY001'"],
    ] as const) {
      await query(
        `CREATE OR REPLACE FUNCTION of_a_test() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN IF NEW.key = ${theirs} THEN ${refuse}; END IF; RETURN NEW; END$$`,
      );
      await query(
        `CREATE OR REPLACE TRIGGER of_a_test BEFORE INSERT ON ${TABLE} FOR EACH ROW EXECUTE FUNCTION of_a_test()`,
      );
      const names = Array.from({ length: 20 }, (_, index) => (index === 7 ? "theirs" : `mine ${index}`));
      const expected = names.map((name) => (name === "theirs" ? code : "done"));
      const told = async (calls: Promise<unknown>[]): Promise<unknown[]> =>
        (await Promise.all(calls.map(settled))).map((ending) => (ending.ok ? "done" : ending.error.reason));
      assert.deepEqual(await told(names.map((name) => engine.put(name, "1"))), expected);
      assert.deepEqual(await told(names.map((name) => engine.increment(name))), expected);
    }
  });

  for (const named of [true, false]) {
    test(`refused rows among conditional operations cost few commits more, with statements ${named ? "under names" : "without names"}`, async (t) => {
      const place = await store.place(t);
      const backend = `${server.url}${server.url.includes("?") ? "&" : "?"}prepared=${named}`;
      const engine = await createEngine({ backend, keyPrefix: place.keyPrefix, retry: { retries: 0 } });
      t.after(() => engine.close());
      await query(`ALTER TABLE ${TABLE} ADD CONSTRAINT of_a_test CHECK (position('theirs'::bytea IN key) = 0)`);
      t.after(() => query(`ALTER TABLE ${TABLE} DROP CONSTRAINT of_a_test`));
      await engine.put("warm", "1");
      const names = Array.from({ length: 300 }, (_, index) => (index % 3 === 0 ? `theirs ${index}` : `mine ${index}`));
      const endings = await Promise.all(names.map((name) => settled(engine.setIfNotExists(name, "1"))));
      assert.deepEqual(
        endings.map((ending) => (ending.ok ? ending.value : ending.error.reason)),
        names.map((name) => (name.startsWith("theirs") ? "23514" : true)),
      );
      const [row] = await query(
        `SELECT count(*)::int AS rows, count(DISTINCT updated_at)::int AS transactions FROM ${TABLE}
       WHERE position('${place.keyPrefix}mine'::bytea IN key) = 1`,
      );
      assert.equal(row!.rows, 200);
      assert.ok((row!.transactions as number) <= 6, `${row!.transactions} transactions`);
    });
  }

  test("keys that somebody else creates meanwhile are seen, also where others are refused", async (t) => {
    const place = await store.place(t);
    const [one, two] = [await place.open({ retry: { retries: 0 } }), await place.open({ retry: { retries: 0 } })];
    await query(`ALTER TABLE ${TABLE} ADD CONSTRAINT of_a_test CHECK (position('theirs'::bytea IN key) = 0)`);
    t.after(() => query(`ALTER TABLE ${TABLE} DROP CONSTRAINT of_a_test`));
    for (let round = 0; round < 20; round++) {
      const won = async (engine: Engine): Promise<Settled<boolean>[]> => {
        const refused = settled(engine.setIfNotExists("theirs", "1"));
        const calls = Array.from({ length: 20 }, (_, index) =>
          settled(engine.setIfNotExists(`${round} ${index}`, "1")),
        );
        assert.ok(!(await refused).ok);
        return Promise.all(calls);
      };
      const [first, second] = await Promise.all([won(one), won(two)]);
      for (const [index, ending] of first.entries()) {
        const other = second[index]!;
        // Where both make the same keys in another order the server may refuse one of them.
        if (ending.ok && other.ok) assert.notEqual(ending.value, other.value);
        else assert.ok([ending, other].every((it) => it.ok || it.error.reason === "40P01"));
      }
    }
  });

  /**
   * A batch of conditional operations that were refused together and have come again, eight in a transaction, because the
   * commit was refused of what could be taken back in parts: the first of these transactions is held up for a second.
   */
  async function heldApart(t: TestScope): ReturnType<typeof held> {
    return held(t, 3, true);
  }

  /** @param time at which the first of them is held up when it is written */
  async function held(
    t: TestScope,
    time: number,
    isRefusedAtCommit: boolean,
  ): Promise<{ engine: Engine; calls: Promise<Settled<boolean>>[]; giveUp(): void }> {
    const place = await store.place(t);
    const engine = await place.open({ retry: { retries: 0 } });
    const stored = (key: string): string => `convert_to('${place.keyPrefix}${key}', 'UTF8')`;
    await query("CREATE SEQUENCE of_a_test");
    await query(
      `CREATE FUNCTION of_a_test() RETURNS trigger LANGUAGE plpgsql AS
       $$BEGIN
         IF NEW.key = ${stored("held")} AND nextval('of_a_test') = ${time} THEN PERFORM pg_sleep(1); END IF;
         RETURN NEW;
       END$$`,
    );
    await query(`CREATE TRIGGER of_a_test BEFORE INSERT ON ${TABLE} FOR EACH ROW EXECUTE FUNCTION of_a_test()`);
    await query(
      `CREATE FUNCTION refusal_of_a_test() RETURNS trigger LANGUAGE plpgsql AS
       $$BEGIN IF NEW.key = ${stored("theirs")} THEN RAISE 'not this one'; END IF; RETURN NEW; END$$`,
    );
    await query(
      `CREATE CONSTRAINT TRIGGER refusal_of_a_test AFTER INSERT ON ${TABLE} DEFERRABLE
       INITIALLY ${isRefusedAtCommit ? "DEFERRED" : "IMMEDIATE"} FOR EACH ROW EXECUTE FUNCTION refusal_of_a_test()`,
    );
    t.after(async () => {
      await query("DROP FUNCTION of_a_test() CASCADE");
      await query("DROP FUNCTION refusal_of_a_test() CASCADE");
      await query("DROP SEQUENCE of_a_test");
    });
    const given = new AbortController();
    const givenUp = isRefusedAtCommit ? "mine 9" : "mine 5";
    const names = ["held", "theirs", ...Array.from({ length: 10 }, (_, index) => `mine ${index}`)];
    const calls = names.map((name) =>
      settled(engine.setIfNotExists(name, name, name === givenUp ? { signal: given.signal } : {})),
    );
    const sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    await until("the first of several transactions is held up", async () => (await query(sleeping)).length === 1);
    return { engine, calls, giveUp: () => given.abort() };
  }

  test("a conditional operation that is given up while others are asked about before it is not sent", async (t) => {
    const { engine, calls, giveUp } = await heldApart(t);
    giveUp();
    const endings = await Promise.all(calls);
    const told = endings.map((ending) => (ending.ok ? ending.value : ending.error.code));
    assert.deepEqual(told, [true, "BACKEND", ...Array(9).fill(true), "ABORTED"]);
    assert.equal(await engine.get("mine 9"), null);
    assert.equal(await engine.count(), 10);
  });

  test("a conditional operation that is given up while what it is written with is taken back does not come again", async (t) => {
    const { engine, calls, giveUp } = await held(t, 2, false);
    giveUp();
    const endings = await Promise.all(calls);
    const told = endings.map((ending) => (ending.ok ? ending.value : ending.error.code));
    assert.deepEqual(told, [true, "BACKEND", ...Array(5).fill(true), "ABORTED", ...Array(4).fill(true)]);
    assert.equal(await engine.get("mine 5"), null);
    assert.equal(await engine.count(), 10);
  });

  test("a session that ends with parts under way leaves them unknown", async (t) => {
    const { engine, calls } = await held(t, 2, false);
    await query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    const endings = await Promise.all(calls);
    assert.ok(endings.every((ending) => !ending.ok && ending.error.outcome === "unknown"));
    assert.equal(await engine.count(), 0);
  });

  test("a session that ends between such transactions fails those that were not begun as not applied", async (t) => {
    const { engine, calls } = await heldApart(t);
    await query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    const endings = await Promise.all(calls);
    const outcomes = endings.map((ending) => (ending.ok ? "ok" : ending.error.outcome));
    assert.deepEqual(outcomes, [...Array(8).fill("unknown"), ...Array(4).fill("not-applied")]);
    assert.equal(await engine.setIfNotExists("another", "1"), true);
    assert.equal(await engine.count(), 1);
  });
});
