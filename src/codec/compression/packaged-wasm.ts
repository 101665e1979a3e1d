import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { UnsupportedOperationError } from "../../core/errors.js";
import type { CompressorName } from "./compressor.js";

/** The part of WebAssembly used here; the DOM library that declares it is not in this project's `lib`. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
export interface WasmModule {
  readonly exports?: never;
}
type WasmImports = Record<string, Record<string, (...values: number[]) => number | undefined>>;
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => WasmModule;
  Instance: new (module: WasmModule, imports: WasmImports) => { readonly exports: unknown };
  RuntimeError: new (message?: string) => Error;
};

/** Compiles a .wasm file of an installed package: `locate` names it, given this module's resolver. */
export function compilePackagedWasm(
  codec: CompressorName,
  locate: (resolve: NodeJS.RequireResolve) => string,
): WasmModule {
  try {
    // Made here and not when this file loads: in a bundle of CommonJS there is no `import.meta.url`.
    return new WebAssembly.Module(readFileSync(locate(createRequire(import.meta.url).resolve)));
  } catch (cause) {
    throw new UnsupportedOperationError(`codec ${codec} is not installed here`, {
      reason: "ERR_CODEC_UNAVAILABLE",
      cause,
    });
  }
}

/** Undefined if this runtime does not take the module, be it that it lacks SIMD or has WebAssembly switched off. */
export function compileWasm(bytes: Uint8Array): WasmModule | undefined {
  try {
    return new WebAssembly.Module(bytes);
  } catch {
    return undefined;
  }
}

export function instantiateWasm<Exports>(module: WasmModule, imports: WasmImports): Exports {
  return new WebAssembly.Instance(module, imports).exports as Exports;
}

/** Whether WebAssembly stopped by itself, as opposed to, say, the caller's stack having run out under it. */
export function isWasmTrap(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError;
}
