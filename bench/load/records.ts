import { below, pick, type Random } from "../lib/rng.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const EVENT_TYPES = ["order.created", "order.updated", "order.paid", "cart.changed", "session.started", "page.viewed"];
const COUNTRIES = ["DE", "FR", "US", "GB", "IN", "BR", "JP", "PL", "SE", "ES"];
const PLANS = ["free", "team", "business", "enterprise"];
const BROWSERS = ["Chrome 129 / Windows", "Safari 18 / iOS", "Firefox 131 / Linux", "Chrome 129 / Android"];
const ITEMS = ["mechanical keyboard", "usb-c cable", "noise cancelling headphones", "standing desk", "monitor arm"];

export type ValueSize = "100B" | "1KiB" | "16KiB";
export const VALUE_BYTES: Record<ValueSize, number> = { "100B": 100, "1KiB": 1024, "16KiB": 16_384 };

function token(random: Random, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) text += LETTERS[below(random, LETTERS.length)];
  return text;
}

function lineItem(random: Random): object {
  return {
    sku: `SKU-${below(random, 100_000)}`,
    name: pick(random, ITEMS),
    quantity: 1 + below(random, 5),
    price: below(random, 50_000) / 100,
    currency: "EUR",
  };
}

/** An event as a stream of orders has it: the same fields every time, other values. */
function event(random: Random): Record<string, unknown> {
  return {
    id: token(random, 22),
    type: pick(random, EVENT_TYPES),
    version: 3,
    occurredAt: new Date(1_760_000_000_000 + below(random, 1e10)).toISOString(),
    tenant: `tenant-${below(random, 500)}`,
    user: { id: below(random, 1e9), country: pick(random, COUNTRIES), plan: pick(random, PLANS) },
    session: { id: token(random, 16), pageViews: below(random, 80), client: pick(random, BROWSERS) },
    totals: { net: below(random, 1e6) / 100, tax: below(random, 2e5) / 100, shipping: 4.9 },
    items: [],
  };
}

/** A JSON text of exactly `bytes` ASCII characters, the last field taking up what is left over. */
function jsonRecord(random: Random, bytes: number): string {
  const record: Record<string, unknown> = bytes < 4096 ? event(random) : { page: below(random, 1e6), events: [] };
  const list = (bytes < 4096 ? record.items : record.events) as object[];
  const next = bytes < 4096 ? lineItem : (source: Random) => ({ ...event(source), items: [lineItem(source)] });
  record.note = "";
  let length = JSON.stringify(record).length;
  for (;;) {
    const addition = next(random);
    length += JSON.stringify(addition).length + 1;
    if (length > bytes) break;
    list.push(addition);
  }
  record.note = token(random, bytes - JSON.stringify(record).length);
  return JSON.stringify(record);
}

/** Distinct values of one size. 100 B values are text without structure, the larger ones JSON records. */
export function makeValues(random: Random, size: ValueSize, count: number): string[] {
  const values = new Set<string>();
  while (values.size < count) {
    const value = size === "100B" ? token(random, 100) : jsonRecord(random, VALUE_BYTES[size]);
    // A round trip makes it one flat run of bytes in memory, as values have that come from elsewhere.
    values.add(Buffer.from(value, "latin1").toString("latin1"));
  }
  return [...values];
}
