import { drawing, element, setAttribute, setText } from "./elements.js";
import type { Scale } from "./scale.js";

const MARGIN = { top: 8, right: 10, bottom: 22, left: 56 };

export interface LineStyle {
  readonly name: string;
  /** Class of the stroke's colour. */
  readonly color: string;
  /** Tells the line apart without its colour; "": solid. */
  readonly dash: string;
  /** Whether what lies below the line is filled. */
  readonly filled?: boolean;
}

/** Points of each line by their x; null: nothing is known there, and the line has a gap. */
export interface PlotData {
  readonly x: readonly number[];
  readonly lines: readonly (readonly (number | null)[])[];
  readonly xScale: Scale;
  readonly yScale: Scale;
}

export interface PlotOptions {
  /** What a screen reader says the picture is of. */
  readonly title: string;
  readonly styles: readonly LineStyle[];
  readonly formatY: (value: number) => string;
  readonly formatX: (value: number) => string;
  /** The x that the legend reads while nothing is pointed at. Default: the last, without saying so. */
  readonly restX?: number;
}

/** Lines over axes, a legend that holds the figures as text, and a crosshair that reads off one x. */
export class Plot {
  readonly #options: PlotOptions;
  readonly #svg: SVGElement;
  readonly #host: HTMLElement;
  readonly #values: readonly HTMLElement[];
  readonly #at: HTMLElement;
  #data: PlotData | undefined;
  #hoverX: number | undefined;

  constructor(place: HTMLElement, options: PlotOptions) {
    this.#options = options;
    this.#svg = drawing("svg", { role: "img", "aria-label": options.title });
    this.#host = element("div", { class: "plot" }, this.#svg);
    const entries = options.styles.map((style) => legendEntry(style));
    this.#values = entries.map(({ value }) => value);
    this.#at = element("li", { class: "soft" });
    place.append(this.#host, element("ul", { class: "legend" }, ...entries.map(({ item }) => item), this.#at));
    new ResizeObserver(() => this.#draw()).observe(this.#host);
    this.#host.addEventListener("pointermove", (event) => this.#point(event.clientX));
    this.#host.addEventListener("pointerleave", () => this.#point(undefined));
  }

  show(data: PlotData): void {
    this.#data = data;
    this.#draw();
  }

  #point(clientX: number | undefined): void {
    if (clientX === undefined) this.#hoverX = undefined;
    else this.#hoverX = clientX - this.#host.getBoundingClientRect().left;
    this.#draw();
  }

  #draw(): void {
    const data = this.#data;
    const { width, height } = this.#host.getBoundingClientRect();
    if (data === undefined || width === 0) return;
    setAttribute(this.#svg, "viewBox", `0 0 ${width} ${height}`);
    const right = width - MARGIN.right;
    const bottom = height - MARGIN.bottom;
    const toX = (value: number): number => MARGIN.left + data.xScale.position(value) * (right - MARGIN.left);
    const toY = (value: number): number => bottom - data.yScale.position(value) * (bottom - MARGIN.top);
    const parts = [...this.#grid(data, toX, toY, right, bottom)];
    const isEmpty = data.lines.every((line) => line.every((value) => value === null));
    if (isEmpty) {
      const middle = {
        x: (MARGIN.left + right) / 2,
        y: (MARGIN.top + bottom) / 2,
        "text-anchor": "middle",
        class: "empty",
      };
      parts.push(drawing("text", middle, "nothing to show yet"));
    }
    for (const [index, style] of this.#options.styles.entries()) {
      const points = data.x.map((x, at) => [toX(x), data.lines[index]?.[at] ?? null] as const);
      parts.push(...lineOf(style, points, toY, bottom));
    }
    const at = this.#read(data, toX);
    if (at !== undefined && this.#hoverX !== undefined) {
      const x = toX(data.x[at]!);
      parts.push(drawing("line", { class: "crosshair", x1: x, x2: x, y1: MARGIN.top, y2: bottom }));
    }
    this.#svg.replaceChildren(...parts);
    this.#legend(data, at);
  }

  #grid(data: PlotData, toX: (x: number) => number, toY: (y: number) => number, right: number, bottom: number) {
    const parts: SVGElement[] = [];
    for (const { value, label } of data.yScale.ticks) {
      const y = toY(value);
      parts.push(drawing("line", { class: "grid-line", x1: MARGIN.left, x2: right, y1: y, y2: y }));
      parts.push(drawing("text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, label));
    }
    let free = Number.NEGATIVE_INFINITY;
    for (const { value, label } of data.xScale.ticks) {
      const x = toX(value);
      const room = label.length * 6.2 + 8;
      const anchor = x + room / 2 > right + MARGIN.right ? "end" : "middle";
      const begin = anchor === "end" ? x - room : x - room / 2;
      if (begin < free || x < MARGIN.left - 1 || x > right + 1) continue;
      free = begin + room;
      parts.push(drawing("text", { x, y: bottom + 16, "text-anchor": anchor }, label));
    }
    parts.push(drawing("line", { class: "base-line", x1: MARGIN.left, x2: right, y1: bottom, y2: bottom }));
    return parts;
  }

  /** The index that the legend reads: the one under the pointer, else the latest. */
  #read(data: PlotData, toX: (x: number) => number): number | undefined {
    if (data.x.length === 0) return undefined;
    if (this.#hoverX === undefined) {
      const { restX } = this.#options;
      return restX === undefined ? data.x.length - 1 : data.x.indexOf(restX);
    }
    let best = 0;
    for (const [at, x] of data.x.entries()) {
      if (Math.abs(toX(x) - this.#hoverX) < Math.abs(toX(data.x[best]!) - this.#hoverX)) best = at;
    }
    return best;
  }

  #legend(data: PlotData, at: number | undefined): void {
    const { styles, formatX, formatY, restX, title } = this.#options;
    const said: string[] = [];
    for (const [index, target] of this.#values.entries()) {
      const value = at === undefined ? null : (data.lines[index]?.[at] ?? null);
      const shown = value === null ? "–" : formatY(value);
      setText(target, shown);
      said.push(`${styles[index]!.name} ${shown}`);
    }
    const isLatest = this.#hoverX === undefined && restX === undefined;
    setText(this.#at, at === undefined || isLatest ? "" : `at ${formatX(data.x[at]!)}`);
    setAttribute(this.#svg, "aria-label", `${title}: ${said.join(", ")}`);
  }
}

function legendEntry({ name, color, dash }: LineStyle) {
  const sample = drawing(
    "svg",
    { viewBox: "0 0 24 8", "aria-hidden": "true" },
    drawing("line", { class: `line ${color}`, x1: 1, x2: 23, y1: 4, y2: 4, "stroke-dasharray": dash }),
  );
  const value = element("span", { class: "legend-value" }, "–");
  return { value, item: element("li", {}, sample, element("span", { class: "legend-name" }, name), value) };
}

function* lineOf(
  style: LineStyle,
  points: readonly (readonly [x: number, value: number | null])[],
  toY: (value: number) => number,
  bottom: number,
): Iterable<SVGElement> {
  for (const run of runsOf(points)) {
    const corners = run.map(([x, value]) => `${x.toFixed(1)},${toY(value).toFixed(1)}`);
    // A point between two gaps would be a line without length.
    const [first, last] = [run[0]!, run.at(-1)!];
    if (style.filled === true) {
      const base = bottom.toFixed(1);
      const edges = `${first[0].toFixed(1)},${base} ${corners.join(" ")} ${last[0].toFixed(1)},${base}`;
      yield drawing("polygon", { class: "area-good", points: edges });
    }
    const path =
      run.length === 1 ? `${corners[0]} ${(first[0] + 0.1).toFixed(1)},${toY(first[1]).toFixed(1)}` : corners.join(" ");
    yield drawing("polyline", { class: `line ${style.color}`, points: path, "stroke-dasharray": style.dash });
  }
}

function runsOf(points: readonly (readonly [number, number | null])[]): (readonly [number, number])[][] {
  const runs: (readonly [number, number])[][] = [];
  let open: (readonly [number, number])[] | undefined;
  for (const [x, value] of points) {
    if (value === null) {
      open = undefined;
      continue;
    }
    if (open === undefined) {
      open = [];
      runs.push(open);
    }
    open.push([x, value]);
  }
  return runs;
}
