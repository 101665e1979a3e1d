// Figures as people read them.

const STEPS = ["", "k", "M", "G"];

/** A count or a rate in three digits: 950, 12.3 k, 1.20 M. */
export function shortNumber(value: number): string {
  let rest = Math.abs(value);
  let step = 0;
  while (rest >= 999.5 && step < STEPS.length - 1) {
    rest /= 1000;
    step++;
  }
  const sign = value < 0 ? "−" : "";
  return step === 0
    ? `${sign}${digits(rest, rest >= 100 || Number.isInteger(rest) ? 0 : 1)}`
    : `${sign}${threeDigits(rest)} ${STEPS[step]}`;
}

/** A figure on an axis: what adds nothing is left out. */
export function tickOf(format: (value: number) => string): (value: number) => string {
  return (value) => format(value).replace(/\.0+(?=\D|$)|(\.\d*?[1-9])0+(?=\D|$)/, "$1");
}

export function wholeNumber(value: number): string {
  return Math.round(value).toLocaleString("en-GB").replaceAll(",", "\u202f");
}

/** A latency in the unit that suits it. */
export function latency(us: number): string {
  if (us < 1000) return `${us < 10 && !Number.isInteger(us) ? us.toFixed(1) : Math.round(us)} µs`;
  if (us < 1e6) return `${threeDigits(us / 1000)} ms`;
  return `${threeDigits(us / 1e6)} s`;
}

export function milliseconds(ms: number): string {
  return latency(ms * 1000);
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let rest = value;
  let unit = 0;
  while (rest >= 1023.5 && unit < units.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(rest) : threeDigits(rest)} ${units[unit]}`;
}

/** A share in percent; what is not all never shows as 100 %, what is not none never as 0 %. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0 || value === 100) return `${value} %`;
  if (value > 99.995) return "> 99.99 %";
  if (value < 0.005) return "< 0.01 %";
  return `${value.toFixed(value > 99 || value < 1 ? 2 : 1)} %`;
}

export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 48) return `${hours} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(hours / 24)} days`;
}

export function clockTime(ms: number): string {
  return new Date(ms).toLocaleTimeString("en-GB");
}

function threeDigits(value: number): string {
  return digits(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

function digits(value: number, places: number): string {
  return value.toFixed(places);
}
