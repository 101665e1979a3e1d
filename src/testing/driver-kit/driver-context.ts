import type { DriverContext } from "../../backends/contract.js";
import { Envelope, type EnvelopeOptions } from "../../codec/envelope.js";
import type { Value } from "../../core/value.js";

export const plainOptions: EnvelopeOptions = {
  checksum: "crc32",
  compressor: undefined,
  thresholdBytes: 1024,
  decompressors: [],
  maxValueBytes: 16 << 20,
};

export function driverContext(overrides: Partial<DriverContext> = {}): DriverContext {
  const silent = (): void => {};
  return {
    keyPrefix: "state:",
    codec: new Envelope(plainOptions),
    connectTimeoutMs: 5000,
    operationTimeoutMs: 3000,
    maxValueBytes: 16 << 20,
    onWritable: silent,
    onConnected: silent,
    onReconnected: silent,
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    ...overrides,
  };
}

/** Cannot encode "bad". */
export class RefusingEnvelope extends Envelope {
  override encode(keyChecksum: number, value: Value): Buffer {
    refuseBad(value);
    return super.encode(keyChecksum, value);
  }

  override encodeInto(target: Buffer, at: number, keyChecksum: number, value: Value): number {
    refuseBad(value);
    return super.encodeInto(target, at, keyChecksum, value);
  }
}

/** Writes "bad" so that it does not verify. */
export class DamagingEnvelope extends Envelope {
  override encodeInto(target: Buffer, at: number, keyChecksum: number, value: Value): number {
    return super.encodeInto(target, at, value === "bad" ? keyChecksum ^ 1 : keyChecksum, value);
  }

  /** None, so that every value comes by here. */
  override get plainTextUnits(): number {
    return -1;
  }

  /** A frame that the driver seals itself would be right. */
  override encodeUnsealed(target: Buffer, at: number, value: Value): number {
    return value === "bad" ? -1 : super.encodeUnsealed(target, at, value);
  }
}

function refuseBad(value: Value): void {
  if (value === "bad") throw new Error("cannot be encoded");
}
