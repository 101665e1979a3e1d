import { escapeXml } from "./junit.js";
import { formatRate, formatUs } from "./numbers.js";
import type { Comparison } from "./report.js";

const WIDTH = 340;
const LABEL_WIDTH = 104;
const ROW_HEIGHT = 20;
const AXIS_HEIGHT = 18;
/** Room behind a bar for its figure. */
const FIGURE_WIDTH = 52;
const PERCENTILES = ["p50", "p99", "p99.9"] as const;

/** Throughput as bars; latency as the span from p50 over p99 to p99.9. Their figures stand in the table below too. */
export function plots(rows: readonly Comparison[], ownSubject: string): string {
  return `<div class="plots">${throughputPlot(rows, ownSubject)}${latencyPlot(rows, ownSubject)}</div>`;
}

function throughputPlot(rows: readonly Comparison[], ownSubject: string): string {
  const top = Math.max(...rows.map((row) => row.opsPerSec), 1);
  const room = WIDTH - LABEL_WIDTH - FIGURE_WIDTH;
  const bars = rows.map((row, index) => {
    const y = index * ROW_HEIGHT + ROW_HEIGHT / 2;
    const width = Math.max(1, (row.opsPerSec / top) * room);
    return (
      `${label(row.subject, y)}<rect class="${markOf(row, ownSubject)}" x="${LABEL_WIDTH}" y="${y - 6}" width="${width.toFixed(1)}" height="12" rx="2"/>` +
      `<text class="faint" x="${(LABEL_WIDTH + width + 6).toFixed(1)}" y="${y + 4}">${formatRate(row.opsPerSec)}</text>`
    );
  });
  const said = rows.map((row) => `${row.subject} ${formatRate(row.opsPerSec)}`).join(", ");
  return figure("operations per second", said, rows.length * ROW_HEIGHT + 2, bars.join(""));
}

function latencyPlot(rows: readonly Comparison[], ownSubject: string): string {
  const known = rows.flatMap((row) => percentilesOf(row)).filter((us) => us !== null);
  if (known.length === 0) return "";
  const low = 10 ** Math.floor(Math.log10(Math.max(0.1, Math.min(...known))));
  const high = Math.max(low * 10, 10 ** Math.ceil(Math.log10(Math.max(...known))));
  const room = WIDTH - LABEL_WIDTH - 26;
  const x = (us: number): number => LABEL_WIDTH + (Math.log10(Math.max(us, low) / low) / Math.log10(high / low)) * room;
  const bottom = rows.length * ROW_HEIGHT;
  const grid: string[] = [];
  for (let us = low; us <= high * 1.001; us *= 10) {
    const at = x(us).toFixed(1);
    grid.push(`<line class="grid" x1="${at}" x2="${at}" y1="0" y2="${bottom}"/>`);
    grid.push(`<text class="faint" x="${at}" y="${bottom + 14}" text-anchor="middle">${axisLabel(us)}</text>`);
  }
  const marks = rows.map((row, index) => {
    const y = index * ROW_HEIGHT + ROW_HEIGHT / 2;
    return label(row.subject, y) + spanOf(row, x, y, markOf(row, ownSubject));
  });
  const said = rows.map((row) => `${row.subject} p99 ${formatUs(row.p99Us)}`).join(", ");
  const caption = "latency, log scale; dots are p50, p99, p99.9";
  return figure(caption, said, bottom + AXIS_HEIGHT, grid.join("") + marks.join(""));
}

function spanOf(row: Comparison, x: (us: number) => number, y: number, mark: string): string {
  const values = percentilesOf(row);
  const known = values.filter((us) => us !== null);
  if (known.length === 0) return "";
  const [first, last] = [x(Math.min(...known)), x(Math.max(...known))];
  const line = `<rect class="${mark}" x="${first.toFixed(1)}" y="${y - 1}" width="${(last - first).toFixed(1)}" height="2"/>`;
  const dots = values.map((us, rank) =>
    us === null
      ? ""
      : `<circle class="${mark}" cx="${x(us).toFixed(1)}" cy="${y}" r="${(4.5 - rank).toFixed(1)}"><title>${PERCENTILES[rank]} ${formatUs(us)}</title></circle>`,
  );
  return line + dots.join("");
}

function percentilesOf(row: Comparison): (number | null)[] {
  return [row.p50Us, row.p99Us, row.p999Us].map((us) => (us !== null && us > 0 ? us : null));
}

function markOf(row: Comparison, ownSubject: string): string {
  return row.subject.split(" ")[0] === ownSubject ? "own-mark" : "other-mark";
}

function label(subject: string, y: number): string {
  return `<text x="${LABEL_WIDTH - 8}" y="${y + 4}" text-anchor="end">${escapeXml(shortened(subject))}</text>`;
}

function shortened(subject: string): string {
  return subject.length > 17 ? `${subject.slice(0, 16)}…` : subject;
}

function axisLabel(us: number): string {
  if (us >= 1e6) return `${us / 1e6} s`;
  return us >= 1000 ? `${us / 1000} ms` : `${Number(us.toPrecision(1))} µs`;
}

function figure(caption: string, said: string, height: number, content: string): string {
  return (
    `<figure><figcaption>${caption}</figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeXml(`${caption}: ${said}`)}">${content}</svg></figure>`
  );
}
