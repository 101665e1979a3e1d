import { ConnectionError } from "../../core/errors.js";
import { HandshakeRefused } from "./wire/handshake.js";

type SocketFailure = Error & { code?: string; reason?: string };

/**
 * Why a connection was not made or has ended. `retryable` is false for what waiting does not mend: a login that is
 * refused, a certificate that does not hold, one side in TLS and the other not.
 */
export function connectionFailure(hostPort: string, error: unknown): ConnectionError {
  const { message, reason, retryable } = explain(error as SocketFailure);
  return new ConnectionError(`${hostPort}: ${message}`, { backend: "redis", reason, retryable, cause: error });
}

function explain(error: SocketFailure): { message: string; reason: string; retryable: boolean } {
  if (error instanceof HandshakeRefused) {
    return { message: error.message, reason: error.token, retryable: !error.isLasting };
  }
  const tls = tlsTrouble(error);
  if (tls !== undefined) return { message: tls, reason: "ERR_CERTIFICATE", retryable: false };
  return { message: socketTrouble(error), reason: "ERR_CONNECTION", retryable: true };
}

function socketTrouble(error: SocketFailure): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "connection refused: nothing listens there";
    case "ENOTFOUND":
      return "the host name is unknown";
    case "EAI_AGAIN":
      return "the host name cannot be looked up just now";
    case "ECONNRESET":
    case "EPIPE":
      return "the connection was reset";
    case "EMFILE":
    case "ENFILE":
      return "this process or machine has no file descriptor left for a connection";
    default:
      return error.code ?? error.message;
  }
}

/** What is wrong with TLS, and which option mends it; undefined: something else is. */
function tlsTrouble(error: SocketFailure): string | undefined {
  const code = error.code ?? "";
  switch (code) {
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "CERT_UNTRUSTED":
      return `the server's certificate is signed by no authority that is trusted here (${code}); give that authority's in tls.ca`;
    case "CERT_HAS_EXPIRED":
      return "the server's certificate has expired";
    case "CERT_NOT_YET_VALID":
      return "the server's certificate is not valid yet; or the clock of this machine is wrong";
    default:
  }
  if (code.endsWith("CERT_ALTNAME_INVALID")) {
    return `the server's certificate is for other names (${error.reason ?? code}); give one of them in tls.servername`;
  }
  if (code.endsWith("X509_KEY_VALUES_MISMATCH")) return "tls.key is not the key of the certificate in tls.cert";
  if (code.endsWith("PEM_NO_START_LINE")) return "tls.cert holds no certificate, or tls.key no key";
  if (/wrong.version.number|packet.length.too.long/i.test(`${code} ${error.message}`)) {
    return "the server does not speak TLS at this port; redis:// connects without";
  }
  if (/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/.test(code)) {
    return `the server wants a certificate of the client (${code}); give it in tls.cert and tls.key`;
  }
  return /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|EPROTO$)/.test(code)
    ? `the TLS handshake failed: ${code} ${error.reason ?? ""}`.trim()
    : undefined;
}
