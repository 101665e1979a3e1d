import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Driver, DriverContext } from "../../src/backends/contract.js";
import { createLmdbDriver } from "../../src/backends/lmdb/lmdb-driver.js";
import { driverContext, FakeClock } from "./batch-probe.js";

export interface TestScope {
  after(clean: () => Promise<void> | void): void;
}

/** A folder that is removed when the test ends. */
export async function temporaryFolder(t: TestScope): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "millrace-lmdb-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A driver on `path`, closed when the test ends; register the folder first, cleaning goes in that order. */
export async function openLmdb(
  t: TestScope,
  path: string,
  overrides?: Partial<DriverContext>,
): Promise<{ driver: Driver; clock: FakeClock }> {
  const clock = new FakeClock();
  const driver = createLmdbDriver({ path, clock });
  await driver.open(driverContext(overrides));
  t.after(() => driver.close());
  return { driver, clock };
}
