import { connect, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";

const KEEP_ALIVE_MS = 10_000;

/** What a TLS connection is made with: texts in PEM, as `node:tls` takes them. */
export interface TlsMaterial {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the certificate must have; default: the host. */
  readonly servername?: string | undefined;
  readonly rejectUnauthorized: boolean;
}

export interface SocketAddress {
  readonly host: string;
  readonly port: number;
  /** Absent: plain TCP. */
  readonly tls?: TlsMaterial | undefined;
}

/** A socket that reads into memory of the caller's, plain or in TLS. What is written before it is connected waits. */
export function openSocket(address: SocketAddress, room: () => Buffer, onRead: (bytes: number) => boolean): Socket {
  const { host, port, tls } = address;
  // Types know only a fixed buffer; a function that gives the next one is documented as well.
  const onread = { buffer: room as unknown as Uint8Array, callback: onRead };
  if (tls === undefined) {
    return connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, onread });
  }
  const options: ConnectionOptions & { onread: typeof onread } = { host, port, ...tlsOptions(host, tls), onread };
  const socket = connectTls(options);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}

/** As `node:tls` takes them, and ioredis hands them on. */
export function tlsOptions(host: string, tls: TlsMaterial): ConnectionOptions {
  const { ca, cert, key, rejectUnauthorized } = tls;
  // An address is no name: SNI takes none.
  const servername = tls.servername ?? (isIP(host) === 0 ? host : undefined);
  return {
    rejectUnauthorized,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
  };
}
