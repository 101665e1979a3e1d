import assert from "node:assert/strict";
import { test } from "node:test";
import { type BackendAddress, describeAddress, parseBackendUrl } from "../../../src/config/backend-url.js";
import { ConfigError } from "../../../src/core/errors.js";

const understood: readonly (readonly [string, BackendAddress, string])[] = [
  ["memory:", { kind: "memory" }, "memory:"],
  ["lmdb:./state", { kind: "lmdb", path: "./state" }, "lmdb:./state"],
  ["lmdb:./state?name=sessions", { kind: "lmdb", path: "./state/sessions" }, "lmdb:./state/sessions"],
  [
    "lmdb:/var/state/?maxBytes=10GiB&name=a.b-c_1",
    { kind: "lmdb", path: "/var/state/a.b-c_1", maxBytes: 10 * 2 ** 30 },
    "lmdb:/var/state/a.b-c_1?maxBytes=10737418240",
  ],
  ["lmdb:s?maxBytes=1048576", { kind: "lmdb", path: "s", maxBytes: 2 ** 20 }, "lmdb:s?maxBytes=1048576"],
  ["lmdb:///var/state", { kind: "lmdb", path: "/var/state" }, "lmdb:/var/state"],
  [
    "redis://localhost",
    { kind: "redis", host: "localhost", port: 6379, database: 0, tls: false },
    "redis://localhost:6379/0",
  ],
  [
    "REDISS://ann:pw@cache.example:7000/3",
    { kind: "redis", host: "cache.example", port: 7000, username: "ann", password: "pw", database: 3, tls: true },
    "rediss://cache.example:7000/3",
  ],
  [
    "redis://:only%20password@[::1]:6380/",
    { kind: "redis", host: "::1", port: 6380, password: "only password", database: 0, tls: false },
    "redis://[::1]:6380/0",
  ],
  [
    "redis+sentinel://ann:pw@h1:26380,h2/mymaster/2",
    {
      kind: "redis-sentinel",
      sentinels: [
        { host: "h1", port: 26_380 },
        { host: "h2", port: 26_379 },
      ],
      master: "mymaster",
      username: "ann",
      password: "pw",
      database: 2,
      tls: false,
    },
    "redis+sentinel://h1:26380,h2:26379/mymaster/2",
  ],
  [
    "rediss+cluster://h1:7000,h2",
    {
      kind: "redis-cluster",
      nodes: [
        { host: "h1", port: 7000 },
        { host: "h2", port: 6379 },
      ],
      tls: true,
    },
    "rediss+cluster://h1:7000,h2:6379",
  ],
  [
    "postgresql://ann:p%40ss@db:5433/app?sslmode=require",
    { kind: "postgres", url: "postgres://ann:p%40ss@db:5433/app?sslmode=require" },
    "postgres://db:5433/app",
  ],
];

for (const [url, address, description] of understood) {
  test(`understands ${url}`, () => {
    assert.deepEqual(parseBackendUrl(url), address);
    assert.equal(describeAddress(parseBackendUrl(url)), description);
  });
}

test("takes a password with a raw @ by splitting at the last one", () => {
  const redis = parseBackendUrl("redis://ann:p@ss@w:rd@cache:6379");
  assert.equal(redis.kind === "redis" && redis.password, "p@ss@w:rd");
  assert.equal(redis.kind === "redis" && redis.host, "cache");
  assert.deepEqual(parseBackendUrl("postgres://ann:p@ss@db/app"), {
    kind: "postgres",
    url: "postgres://ann:p%40ss@db/app",
  });
});

test("decodes every character a password can have", () => {
  const password = "a/b?c#d@e:f%g é\u{1F512}";
  const redis = parseBackendUrl(`redis://u:${encodeURIComponent(password)}@h`);
  assert.equal(redis.kind === "redis" && redis.password, password);
  const postgres = parseBackendUrl(`postgres://u:${encodeURIComponent(password)}@h/app`);
  assert.equal(postgres.kind === "postgres" && decodeURIComponent(new URL(postgres.url).password), password);
});

const malformed: readonly (readonly [string, RegExp])[] = [
  ["http://u:s3cret@host", /got "http:"/],
  ["reddis://u:s3cret@host", /did you mean "redis:"/],
  ["", /must be a URL/],
  ["./state", /must be a URL/],
  ["s3cret:6379", /must be a URL/],
  ["__proto__:x", /must be a URL/],
  ["memory:x", /nothing may follow/],
  ["lmdb:", /path of a directory/],
  ["lmdb:a\0b", /path of a directory/],
  ["lmdb:?name=a", /path of a directory/],
  ["lmdb:a?name=../b", /name of an environment/],
  ["lmdb:a?name=", /name of an environment/],
  ["lmdb:a?maxByte=1GiB", /did you mean maxBytes/],
  ["lmdb:a?maxBytes=5", /1 MiB or more/],
  ["lmdb:a?maxBytes=1GB", /1 MiB or more/],
  ["lmdb:a?maxBytes=99999999TiB", /1 MiB or more/],
  ["redis:localhost", /followed by "\/\/"/],
  ["redis://", /each host/],
  ["redis://:s3cret", /each host/],
  ["redis://host:", /each host/],
  ["redis://host:0", /1\.\.65535/],
  ["redis://host:65536", /1\.\.65535/],
  ["redis://host:s3cret", /1\.\.65535/],
  ["redis://ho st", /each host/],
  ["redis://[::1", /each host/],
  ["redis://u:s3/cret@host", /%2F/],
  ["redis://u:s3?cret@host", /%2F/],
  ["redis://u:s3#cret@host", /%2F/],
  ["redis://u:x@y/s3cret@host", /%2F/],
  ["postgres://u:1?s3cret@host/db", /%2F/],
  ["redis://u:s3cret%zz@host", /percent-encoding/],
  ["redis://host/s3cret", /number in 0\.\.65535/],
  ["redis://host/-1", /number in 0\.\.65535/],
  ["redis://host/0/1", /nothing more/],
  ["redis://host?db=1", /no parameters/],
  ["redis://h1,h2", /one host/],
  ["redis+sentinel://h1", /name of the master/],
  ["redis+cluster://h1/1", /database 0 only/],
  ["redis+cluster://h1,,h2", /each host/],
  ["postgres://host:s3cret/db", /malformed/],
  ["postgres://host/s3cret%zz", /name of the database is not valid percent-encoding/],
  ["postgres://h%zz/db", /malformed|the host is not valid/],
  ["postgres://ann:s3cret\ud800@host/db", /lone surrogate/],
];

for (const [url, complaint] of malformed) {
  test(`refuses ${JSON.stringify(url)} without repeating what may be a secret`, () => {
    assert.throws(
      () => parseBackendUrl(url),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.reason, "ERR_CONFIG");
        assert.equal(error.outcome, "not-applied");
        assert.match(error.message, /^backend: /);
        assert.match(error.message, complaint);
        assert.doesNotMatch(`${error.stack}${error.cause}`, /s3|cret/);
        return true;
      },
    );
  });
}

test("names the option the URL came from", () => {
  assert.throws(() => parseBackendUrl("ftp://x", "replicas[1]"), /^ConfigError: replicas\[1\]: must be a URL/);
});
