/** @param now a time as an expression */
export function millisecondsOf(now: string): string {
  return `(extract(epoch FROM ${now}) * 1000)::float8`;
}
