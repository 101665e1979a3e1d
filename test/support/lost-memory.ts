export interface ValueToLose {
  readonly bytes: Uint8Array;
  /** A copy of what it holds at first. */
  readonly was: Buffer;
  /** From now on its memory is another thread's. */
  lose(): void;
}

/** Bytes whose memory can be taken from under them. */
export function losing(length: number): ValueToLose {
  const bytes = new Uint8Array(length).fill(0x61);
  return {
    bytes,
    was: Buffer.from(bytes),
    lose: () => {
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    },
  };
}

type Resizable = ArrayBuffer & { resize(bytes: number): void };

/** Memory that can be resized; TypeScript's library for this target knows neither the option nor the method. */
export function resizableMemory(length: number): Resizable {
  return Reflect.construct(ArrayBuffer, [length, { maxByteLength: length * 2 }]) as Resizable;
}
