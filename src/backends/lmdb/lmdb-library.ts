import { ConfigError } from "../../core/errors.js";

/** A key as it is handed to LMDB: canonical, to be prefixed, or the stored bytes themselves. */
export type LmdbKey = string | Buffer;

export interface LmdbTreePages {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

export interface LmdbStatistics extends LmdbTreePages {
  readonly pageSize: number;
  /** Of the tree that names the free pages. */
  readonly free?: LmdbTreePages;
  readonly entryCount: number;
  readonly mapSize: number;
  readonly lastPageNumber: number;
  readonly lastTxnId: number;
  readonly numReaders: number;
}

export interface LmdbRange {
  readonly start: LmdbKey;
  readonly end?: LmdbKey;
  readonly exclusiveStart?: boolean;
  readonly limit: number;
}

/** The part of the library's database that this store uses. */
export interface LmdbDatabase {
  /** Bytes that the next read overwrites; `length` says how many. */
  getBinaryFast(key: LmdbKey): Buffer | undefined;
  put(key: LmdbKey, value: Uint8Array): Promise<boolean>;
  remove(key: LmdbKey): Promise<boolean>;
  /** The writes that `issue` makes go into one transaction, made on the library's thread. */
  batch(issue: () => void): Promise<boolean>;
  /** Runs `work` on this thread while the write transaction is open. */
  transaction(work: () => void): Promise<void>;
  getKeys(range: LmdbRange): Iterable<Buffer>;
  resetReadTxn(): void;
  getStats(): LmdbStatistics;
  close(): Promise<void>;
}

export interface KeyEncoder {
  writeKey(key: LmdbKey, target: Buffer, at: number): number;
  readKey(source: Buffer, start: number, end: number): Buffer;
}

/** Given, what `put` takes goes through it; of what it returns, bytes from `start` to `end` if it has these. */
export interface ValueEncoder {
  encode(value: Uint8Array): Uint8Array & { readonly start?: number; readonly end?: number };
}

export interface LmdbRootDatabase extends LmdbDatabase {
  openDB(options: { name: string; encoding: "binary"; keyEncoder: KeyEncoder; encoder?: ValueEncoder }): LmdbDatabase;
  backup(directory: string): Promise<void>;
}

export interface LmdbLibrary {
  readonly version: { readonly versionString: string };
  open(options: {
    path: string;
    noSubdir: boolean;
    maxDbs: number;
    overlappingSync: boolean;
    eventTurnBatching: boolean;
    encoding: "binary";
    keyEncoding: "binary";
  }): LmdbRootDatabase;
}

/**
 * Loaded on demand: its prebuilt binary is an optional dependency, which `npm install --omit=optional` leaves out.
 * @throws ConfigError
 */
export async function loadLmdb(): Promise<LmdbLibrary> {
  try {
    return (await import("lmdb")) as unknown as LmdbLibrary;
  } catch (cause) {
    throw new ConfigError(
      cause instanceof EvalError
        ? 'the package "lmdb" makes code from text, which this process forbids (--disallow-code-generation-from-strings); choose another backend'
        : 'the embedded store needs the package "lmdb" with its prebuilt binary; install it (without --omit=optional) or choose another backend',
      { reason: "ERR_LMDB_MISSING", backend: "lmdb", cause },
    );
  }
}
