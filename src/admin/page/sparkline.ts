import { drawing } from "./elements.js";

const WIDTH = 120;
const HEIGHT = 34;

/** The shape of the last minutes, without axes. */
export function drawSparkline(svg: SVGElement, values: readonly (number | null)[]): void {
  const known = values.filter((value) => value !== null);
  svg.replaceChildren();
  if (known.length < 2) return;
  const top = Math.max(...known);
  const step = WIDTH / (values.length - 1);
  const points: string[] = [];
  for (const [index, value] of values.entries()) {
    if (value === null) continue;
    const y = top === 0 ? HEIGHT - 2 : HEIGHT - 2 - (value / top) * (HEIGHT - 6);
    points.push(`${(index * step).toFixed(1)},${y.toFixed(1)}`);
  }
  const [firstX] = points[0]!.split(",");
  const [lastX] = points.at(-1)!.split(",");
  svg.append(
    drawing("polygon", { class: "spark-fill", points: `${firstX},${HEIGHT} ${points.join(" ")} ${lastX},${HEIGHT}` }),
    drawing("polyline", { class: "spark-line", points: points.join(" ") }),
  );
}
