/** The part of WebAssembly's interface that is used here; Node's types leave it to the browser's. */

/** Memory that threads share; it can be posted to them. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
}

interface WebAssemblyInterface {
  readonly Memory: new (limits: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: true;
  }) => SharedMemory;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, SharedMemory>>>>,
  ) => { readonly exports: unknown };
}

/** A compiled module. */
export type WasmModule = Readonly<Record<never, never>>;

// proof: every Node that runs this package has WebAssembly with shared memories.
export const wasm = (globalThis as unknown as { readonly WebAssembly: WebAssemblyInterface })
  .WebAssembly;
