import type { LogPosition } from "../replicas/recent-writes.js";

/** @param text as the server writes it: two hexadecimal halves */
export function logPosition(text: string): LogPosition {
  const [high, low] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
