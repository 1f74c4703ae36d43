import type { Description } from "../device/messages.ts";
import type { TfjsBackend } from "./backends.ts";

export interface TfjsDescription extends Description {
  /** The name that is asked for, e.g. "wasm". */
  readonly backend: TfjsBackend;
  /** Of TensorFlow.js. */
  readonly version: string;
}

/** Given to the thread when it starts. */
export interface TfjsSettings {
  /** null for the fastest that is installed. */
  readonly backend: TfjsBackend | null;
}
