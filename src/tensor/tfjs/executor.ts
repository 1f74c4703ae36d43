import { DeviceExecutor, opened } from "../device/executor.ts";
import { type ExecutorSettings, executorSettings } from "../executor-settings.ts";
import type { ExecutorOptions } from "../open-executor.ts";
import { findBackend, requireBackend, type TfjsBackend } from "./backends.ts";
import type { TfjsDescription } from "./messages.ts";
import { TfjsThread } from "./thread.ts";

/**
 * TensorFlow.js with one of its backends, in a thread of its own: programs run operation by operation.
 * The packages are the user's; none comes with this one.
 */
export class TfjsExecutor extends DeviceExecutor<TfjsDescription> {
  readonly name = "tfjs";
  /** One that its thread computes, one that waits for it. */
  readonly runsInFlight = 2;
  /** The backend that runs. */
  readonly backend: TfjsBackend;

  private constructor(
    thread: TfjsThread,
    backend: TfjsBackend,
    settings: ExecutorSettings,
    cachedPrograms?: number,
  ) {
    super(thread, settings, cachedPrograms);
    this.backend = backend;
  }

  /**
   * @throws InvalidArgumentError for a backend that is not known, NotFoundError where its package is
   *   not installed, UnsupportedFeatureError where it does not run, or cannot do what is asked
   */
  static async open(options: ExecutorOptions = {}): Promise<TfjsExecutor> {
    const backend = options.backend === undefined ? null : requireBackend(options.backend);
    const found = findBackend(backend);
    const settings = executorSettings(`tfjs:${found.backend}`, options);
    const thread = new TfjsThread({ backend });
    const description = await opened(thread);
    return new TfjsExecutor(thread, description.backend, settings, options.cachedPrograms);
  }
}
