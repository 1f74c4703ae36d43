/**
 * The parquet-wasm module, loaded on first use and replaced when it traps.
 *
 * A trap (a damaged page, memory used up) leaves the module's stack and allocator in an unknown
 * state, so the next call gets a fresh instance of the already compiled code. Only the synchronous
 * functions are used: a trap inside an asynchronous one would leave a promise that never settles.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { FormatError, ScdlError } from "../common/errors.ts";

// Node has WebAssembly; its type package leaves the declarations to the DOM library.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class RuntimeError extends Error {}
}

type ParquetWasm = typeof import("parquet-wasm/esm");

let compiled: WebAssembly.Module | undefined;
let current: Promise<ParquetWasm> | undefined;
let instances = 0;

async function instantiate(): Promise<ParquetWasm> {
  const require = createRequire(import.meta.url);
  compiled ??= new WebAssembly.Module(
    readFileSync(require.resolve("parquet-wasm/esm/parquet_wasm_bg.wasm")),
  );
  // The glue keeps its instance in module scope; another query string is another module.
  const url = `${pathToFileURL(require.resolve("parquet-wasm/esm")).href}?instance=${instances++}`;
  // Proof of the cast: the URL is that of the module whose type this is.
  const glue = (await import(/* @vite-ignore */ url)) as ParquetWasm;
  glue.initSync({ module: compiled });
  return glue;
}

/**
 * Runs `use` with the module. What the module throws becomes a FormatError about `path`.
 *
 * Objects of the module must not leave `use`.
 */
export async function withParquet<T>(path: string, use: (parquet: ParquetWasm) => T): Promise<T> {
  current ??= instantiate();
  const instance = current;
  const parquet = await instance;
  try {
    return use(parquet);
  } catch (cause) {
    if (cause instanceof ScdlError) throw cause;
    if (cause instanceof WebAssembly.RuntimeError || cause instanceof RangeError) {
      if (current === instance) current = undefined;
      throw new FormatError("bad-parquet", "parquet pages cannot be decoded", { path, cause });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError("bad-parquet", reason.replace(/\s+/g, " "), { path, cause });
  }
}
