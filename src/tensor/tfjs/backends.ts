import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { InvalidArgumentError, NotFoundError } from "../../../formats/common/errors.ts";

/** Of the packages that are tested and suggested. */
export const TFJS_VERSION = "4.22.0";

/** Backends by name, the fastest first: the package that has it and its name in TensorFlow.js. */
const BACKENDS = {
  "node-gpu": { packageName: "@tensorflow/tfjs-node-gpu", registered: "tensorflow" },
  node: { packageName: "@tensorflow/tfjs-node", registered: "tensorflow" },
  wasm: { packageName: "@tensorflow/tfjs-backend-wasm", registered: "wasm" },
  cpu: { packageName: "@tensorflow/tfjs-backend-cpu", registered: "cpu" },
} as const;

export type TfjsBackend = keyof typeof BACKENDS;
export const TFJS_BACKENDS = Object.keys(BACKENDS) as readonly TfjsBackend[]; // proof: its keys

/** A backend whose package is installed. */
export interface FoundBackend {
  readonly backend: TfjsBackend;
  /** Its name in TensorFlow.js. */
  readonly registered: string;
  /** The main file of its package. */
  readonly file: string;
}

/** @throws InvalidArgumentError for a name that is not in {@link TFJS_BACKENDS} */
export function requireBackend(name: string): TfjsBackend {
  const known = TFJS_BACKENDS.find((backend) => backend === name);
  if (known !== undefined) return known;
  throw new InvalidArgumentError("backend", name, `tfjs: there is no backend ${name}`, {
    suggestions: [`use one of ${TFJS_BACKENDS.join(", ")}`],
  });
}

/**
 * The backend asked for, or the fastest that is installed: beside this package, or where the process
 * was started.
 *
 * @throws NotFoundError that names the package to install
 */
export function findBackend(wanted: TfjsBackend | null): FoundBackend {
  for (const backend of wanted === null ? TFJS_BACKENDS : [wanted]) {
    const { packageName, registered } = BACKENDS[backend];
    const file = resolve(packageName);
    if (file !== undefined) return { backend, registered, file };
  }
  const { packageName } = BACKENDS[wanted ?? "wasm"];
  const message =
    wanted === null
      ? "tfjs: no backend of TensorFlow.js is installed"
      : `tfjs: the package ${packageName} is not installed`;
  throw new NotFoundError("tfjs-missing", message, {
    what: packageName,
    suggestions: [installing(packageName)],
  });
}

function installing(packageName: string): string {
  const core = packageName.includes("backend") ? `@tensorflow/tfjs-core@${TFJS_VERSION} ` : "";
  return `install it: npm install ${core}${packageName}@${TFJS_VERSION}`;
}

function resolve(packageName: string): string | undefined {
  for (const base of [import.meta.url, pathToFileURL(`${process.cwd()}/`).href]) {
    const { resolve } = createRequire(base);
    // The whole TensorFlow.js brings packages that may lie below it.
    for (const parent of [null, "@tensorflow/tfjs"]) {
      try {
        const from = parent === null ? base : resolve(parent);
        return createRequire(from).resolve(packageName);
      } catch {
        // not there
      }
    }
  }
  return undefined;
}
