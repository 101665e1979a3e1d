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
