export const CODECS = ["lz4", "zstd", "snappy"] as const;
export type Codec = (typeof CODECS)[number];

export interface GridCell {
  readonly codec: Codec;
  readonly bytes: number;
  readonly inFlight: number;
  readonly store: "memory" | "redis";
  readonly operation: "put" | "get" | "mixed";
}

const KIB = 1024;
const FULL = { sizes: [256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, KIB * KIB], inFlight: [1, 16, 256] };
/** Of the third codec fewer sizes: it behaves as the first. */
const REDUCED_SNAPPY = [16 * KIB];
const REDUCED = { sizes: [KIB, 16 * KIB, 256 * KIB], inFlight: [16, 256] };
const QUICK = { sizes: [4 * KIB], inFlight: [16] };

/** All cells, puts and gets apart; or so few, both together, that they can be measured while somebody waits. */
export function gridCells(extent: "full" | "reduced" | "quick", stores: readonly GridCell["store"][]): GridCell[] {
  const { sizes, inFlight: depths } = { full: FULL, reduced: REDUCED, quick: QUICK }[extent];
  const operations: GridCell["operation"][] = extent === "full" ? ["put", "get"] : ["mixed"];
  const codecs = extent === "quick" ? (["zstd"] as const) : CODECS;
  return stores.flatMap((store) =>
    codecs.flatMap((codec) =>
      (extent === "reduced" && codec === "snappy" ? REDUCED_SNAPPY : sizes).flatMap((bytes) =>
        depths.flatMap((inFlight) => operations.map((operation) => ({ codec, bytes, inFlight, store, operation }))),
      ),
    ),
  );
}

export function sizeName(bytes: number): string {
  if (bytes < KIB) return `${bytes}B`;
  return bytes < KIB * KIB ? `${bytes / KIB}KiB` : `${bytes / KIB / KIB}MiB`;
}

export function cellName({ codec, bytes, inFlight, store, operation }: GridCell): string {
  return `codec-grid/${store}/${codec}/${operation}-${sizeName(bytes)}@${inFlight}`;
}
