import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePostgresUrl } from "../../../src/config/postgres-url.js";

test("sslmode is prefer, and verify-full where the system's authorities are trusted", () => {
  assert.equal(parsePostgresUrl("postgres://db/app").sslMode, "prefer");
  assert.equal(parsePostgresUrl("postgres://db/app?sslrootcert=/ca.pem").sslMode, "prefer");
  assert.equal(parsePostgresUrl("postgres://db/app?sslrootcert=system").sslMode, "verify-full");
  assert.equal(parsePostgresUrl("postgres://db/app?sslrootcert=system&sslmode=verify-full").sslMode, "verify-full");
});

test("the system's authorities with anything less than verify-full are refused, as by libpq", () => {
  for (const mode of ["disable", "allow", "prefer", "require", "verify-ca"]) {
    assert.throws(() => parsePostgresUrl(`postgres://db/app?sslrootcert=system&sslmode=${mode}`), {
      code: "CONFIG",
      message: /sslrootcert=system takes sslmode verify-full only/,
    });
  }
});

test("what a parameter cannot be is refused by its name", () => {
  const refusals: [string, RegExp][] = [
    ["prepared=maybe", /prepared must be true or false/],
    ["schema=of-two-words", /schema must be letters, digits and _/],
    ["schema=1st", /no digit first/],
    ["sslcert=/client.crt", /sslcert and sslkey are given together/],
    ["sslkey=/client.key", /sslcert and sslkey are given together/],
  ];
  for (const [parameter, message] of refusals) {
    assert.throws(
      () => parsePostgresUrl(`postgres://ann:secret@db/app?${parameter}`),
      (error: Error) => {
        assert.equal((error as Error & { code: string }).code, "CONFIG");
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  }
});
