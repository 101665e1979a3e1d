/** A client under load, through the best of its single-operation calls. */
export interface Peer {
  readonly name: string;
  /** npm package whose version is stamped into the report; null: this package. */
  readonly packageName: string | null;
  /** Peers of one format read each other's values, so keys are loaded once for all of them; "own": nobody else does. */
  readonly format: "plain" | "millrace" | "own";
  connect(url: string): Promise<void>;
  /** As bytes or as text, whichever the client is faster with. Resolves to null when there is no such key. */
  get(key: string): Promise<Uint8Array | string | null>;
  put(key: string, value: string): Promise<unknown>;
  putWithTtl(key: string, value: string, ttlMs: number): Promise<unknown>;
  delete(key: string): Promise<unknown>;
  close(): Promise<void>;
}

/** Clients report connection troubles as events too; the operations that fail by them are counted anyway. */
export function ignoreEvent(): void {}
