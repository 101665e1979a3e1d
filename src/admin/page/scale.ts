export interface Tick {
  readonly value: number;
  readonly label: string;
}

/** Where values lie on an axis: 0 is its beginning, 1 its end. */
export interface Scale {
  readonly ticks: readonly Tick[];
  position(value: number): number;
}

type Format = (value: number) => string;

/** From zero to a round number above the highest value. */
export function linearScale(highest: number, format: Format, leastHighest: number): Scale {
  const reach = Math.max(highest, leastHighest);
  const step = roundStep(reach / 4);
  const top = Math.ceil(reach / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => {
    const value = Number((index * step).toPrecision(12));
    return { value, label: format(value) };
  });
  return { ticks, position: (value) => value / top };
}

/** Whole steps of 1, 2 and 5 around the values; equal factors take equal room. */
export function logScale(lowest: number, highest: number, format: Format): Scale {
  let from = stepBelow(Math.max(lowest, 1e-3));
  let to = stepAbove(Math.max(highest, from));
  if (to / from < 9.99) {
    from = stepBelow(from / 1.01);
    to = stepAbove(to * 1.01);
  }
  const decades = Math.log10(to / from);
  const ticks: Tick[] = [];
  for (let exponent = Math.floor(Math.log10(from)); exponent <= Math.ceil(Math.log10(to)); exponent++) {
    for (const factor of decades <= 2 ? [1, 2, 5] : decades <= 3.5 ? [1, 3] : [1]) {
      const value = Number((factor * 10 ** exponent).toPrecision(3));
      if (value >= from * 0.999 && value <= to * 1.001) ticks.push({ value, label: format(value) });
    }
  }
  return { ticks, position: (value) => Math.log(Math.max(value, from) / from) / Math.log(to / from) };
}

function roundStep(rough: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 2.5, 5, 10].find((candidate) => candidate * magnitude >= rough * 0.999) ?? 10;
  return factor * magnitude;
}

function stepBelow(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(value) + 1e-9);
  const factor = [5, 2, 1].find((candidate) => candidate * magnitude <= value * 1.0001) ?? 1;
  return factor * magnitude;
}

function stepAbove(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(value) + 1e-9);
  const factor = [1, 2, 5, 10].find((candidate) => candidate * magnitude >= value * 0.9999) ?? 10;
  return factor * magnitude;
}
