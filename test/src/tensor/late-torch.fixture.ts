/** The executor torch on the CPU as it is on a GPU: values come later, when the device likes. */

import { DeviceExecutor } from "../../../src/tensor/device/executor.ts";
import type { Answers, Request } from "../../../src/tensor/device/messages.ts";
import { executorSettings } from "../../../src/tensor/executor-settings.ts";
import type { Precision } from "../../../src/tensor/index.ts";
import { RequestThread } from "../../../src/tensor/request-thread.ts";
import type { ThreadSettings, TorchDescription } from "../../../src/tensor/torch/messages.ts";
import { LIBTORCH } from "./torch.fixture.ts";

export class LateTorch extends DeviceExecutor<TorchDescription> {
  readonly name = "torch";
  readonly stepsInFlight: number;

  constructor(stepsInFlight = 3, precision: Precision = "32", cachedPrograms?: number) {
    const libtorch = LIBTORCH;
    if (libtorch === null) throw new Error("no libtorch");
    const settings: ThreadSettings = {
      ...{ libtorch, device: "cpu", index: 0, precision, threads: 1 },
      ...{ deterministic: false, tf32: false, countMemory: false, hasFlash: false },
    };
    const file = new URL("./late-torch-worker.fixture.ts", import.meta.url);
    const ended = new Error("the thread has ended");
    const thread = new RequestThread<Request, Answers<TorchDescription>>(file, { settings, ended });
    super(thread, executorSettings("torch-cpu", { precision }), cachedPrograms);
    this.stepsInFlight = stepsInFlight;
  }
}
