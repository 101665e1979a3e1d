const PAGE_VALUE_BYTES = 4 << 20;

/** How many rows there were before the window, in each row that it leaves. */
export interface WindowRow {
  readonly page_rows: number;
}

/**
 * Of the rows of a query, in the order of their keys, as many as come to so many bytes, and one in any case: what this
 * process holds at once does not depend on how long values are.
 *
 * @param columns of what is returned; the query's columns are those of `q`
 * @param bytes of a row `p` of the query, as an expression
 */
export function windowOf(columns: string, bytes: string, query: string): string {
  return `SELECT ${columns}, q.page_rows FROM (
      SELECT p.*, row_number() OVER w AS place, count(*) OVER ()::int4 AS page_rows,
        sum(${bytes}) OVER (w ROWS UNBOUNDED PRECEDING) AS bytes
      FROM (${query}) p WINDOW w AS (ORDER BY p.key)) q
    WHERE q.place = 1 OR q.bytes <= ${PAGE_VALUE_BYTES} ORDER BY q.key`;
}
