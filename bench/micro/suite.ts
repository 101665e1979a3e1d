/** A part of the engine by itself. */
export interface MicroCase {
  readonly name: string;
  /** How many operations one run of the function does: a single one is shorter than a clock's tick. */
  readonly operations: number;
  readonly run: () => void | Promise<void>;
}

export interface MicroSuite {
  readonly cases: readonly MicroCase[];
  close(): Promise<void>;
}
