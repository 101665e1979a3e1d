import { test } from "node:test";
import { conditionalChecks } from "./conditional-checks.js";
import { expiryChecks } from "./expiry-checks.js";
import { lifecycleChecks } from "./lifecycle-checks.js";
import { orderChecks } from "./order-checks.js";
import { scanChecks } from "./scan-checks.js";
import { type Check, type OpenDriver, Subject } from "./subject.js";
import { transactionChecks } from "./transaction-checks.js";
import { valueChecks } from "./value-checks.js";

export interface DriverKitOptions {
  /** Stands before the name of each test. */
  readonly name: string;
  /** A driver on an empty store, or on one whose other keys do not begin with `kit-`; asked once per test. */
  readonly open: OpenDriver;
}

/**
 * Registers a test with node:test for each behaviour that the pipeline asks of a driver. To be called at the top of a
 * test file. What a driver's `capabilities` say it cannot do is skipped, with the reason.
 */
export function describeDriver({ name, open }: DriverKitOptions): void {
  const checks: readonly Check[] = [
    ...valueChecks,
    ...orderChecks,
    ...expiryChecks,
    ...conditionalChecks,
    ...transactionChecks,
    ...scanChecks,
    ...lifecycleChecks,
  ];
  for (const check of checks) {
    test(`${name}: ${check.name}`, async (t) => {
      const subject = await Subject.open(open, t, check.context);
      const lacking = check.lacks?.(subject);
      if (lacking === undefined) await check.run(subject);
      else t.skip(lacking);
    });
  }
}
