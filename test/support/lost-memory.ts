export const WAYS_TO_LOSE = ["transferred", "shrunk"] as const;
export type WayToLose = (typeof WAYS_TO_LOSE)[number];

export interface ValueToLose {
  readonly bytes: Uint8Array;
  /** A copy of what it holds at first. */
  readonly was: Buffer;
  /** From now on its memory is another thread's, or shorter. */
  lose(): void;
}

/** Bytes whose memory can be taken from under them. */
export function losing(length: number, way: WayToLose): ValueToLose {
  // TypeScript's library for this target knows neither the option nor the method.
  const memory = Reflect.construct(ArrayBuffer, [length, { maxByteLength: length }]) as ArrayBuffer & {
    resize(bytes: number): void;
  };
  const bytes = new Uint8Array(memory, 0, length).fill(0x61);
  return {
    bytes,
    was: Buffer.from(bytes),
    lose: () => {
      if (way === "shrunk") memory.resize(length >> 1);
      else structuredClone(memory, { transfer: [memory] });
    },
  };
}
