import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { temporaryFolder } from "../../support/lmdb-scope.js";

const run = promisify(execFile);
const MOUNTED = 'mount -t tmpfs -o size=24m tmpfs "$1" && exec "$2" "$3" "$1" "$4"';

const lacking = await lacksMounts();
if (lacking !== undefined) {
  test(`a store on a volume that fills up: left out, ${lacking}`, { skip: lacking });
} else {
  test("a store on a volume that fills up refuses writes, keeps what it has and goes on when there is room", async (t) => {
    const path = await temporaryFolder(t);
    const script = fileURLToPath(new URL("fixtures/fills-its-disk.js", import.meta.url));
    const { stdout } = await run("unshare", ["-m", "sh", "-c", MOUNTED, "sh", path, process.execPath, script]);
    assert.equal(stdout, "survived\n");
  });

  for (const freeBytes of [0, 8192, 12_288, 20_480]) {
    test(`a new store on a volume with ${freeBytes} bytes left is refused, and made there when there is room`, async (t) => {
      const path = await temporaryFolder(t);
      const script = fileURLToPath(new URL("fixtures/opens-on-full-volume.js", import.meta.url));
      const { stdout } = await run("unshare", [
        "-m",
        "sh",
        "-c",
        MOUNTED,
        "sh",
        path,
        process.execPath,
        script,
        String(freeBytes),
      ]);
      assert.equal(stdout, "opened\n");
    });
  }
}

async function lacksMounts(): Promise<string | undefined> {
  try {
    await run("unshare", ["-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /tmp"]);
    return undefined;
  } catch {
    return "a volume of its own cannot be mounted here (unshare -m needs Linux and the rights of root)";
  }
}
