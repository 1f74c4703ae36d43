/** The executor `torch` as on a GPU, in this thread, on the functions of the service. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeviceExecutor } from "../../../src/tensor/device/executor.ts";
import type { Request } from "../../../src/tensor/device/messages.ts";
import { DeviceSession } from "../../../src/tensor/device/session.ts";
import { executorSettings } from "../../../src/tensor/executor-settings.ts";
import type { ExecutorOptions } from "../../../src/tensor/open-executor.ts";
import type { FoundLibtorch } from "../../../src/tensor/torch/find-libtorch.ts";
import type { ThreadSettings, TorchDescription } from "../../../src/tensor/torch/messages.ts";
import { TorchRuntime } from "../../../src/tensor/torch/torch-runtime.ts";
import { verifyOperators } from "../../../src/tensor/torch/verified-operators.ts";
import { SimulatedBinding } from "./binding.ts";
import { TorchService } from "./service.ts";

/** What it was not proven on: a GPU. */
export class SimulatedGpu extends DeviceExecutor<TorchDescription> {
  readonly name = "torch";
  readonly binding: SimulatedBinding;

  constructor(
    service: TorchService,
    libtorch: FoundLibtorch,
    options: ExecutorOptions = {},
    hasFlash = true,
  ) {
    const binding = new SimulatedBinding(
      service,
      verifyOperators(libtorch.directory, libtorch.version),
    );
    const { deterministic, precision } = executorSettings("cuda", options);
    const settings: ThreadSettings = {
      ...({ libtorch, device: "cuda", index: 0, threads: null } as const),
      ...{
        deterministic,
        tf32: false,
        countMemory: false,
        hasFlash,
        precision,
      },
    };
    const session = new DeviceSession(() => new TorchRuntime(settings, binding));
    let ended: Error | null = null;
    const requests = {
      send: async (request: Request) => {
        if (ended !== null) throw ended;
        const answer = await session.handle(request);
        // As a thread, which gives no answer any more.
        if (ended !== null) throw ended;
        return answer as never; // proof: it answers a request by its kind
      },
      close: async (reason: Error) => {
        ended = reason;
      },
      get isEnded(): boolean {
        return ended !== null;
      },
    };
    super(requests, executorSettings("cuda", options));
    this.binding = binding;
  }
}

let running: { readonly python: string; readonly service: TorchService } | null = null;

/** The one process of this Python that all executors share. */
export function torchService(python: string): TorchService {
  if (running?.python !== python) {
    const folder = mkdtempSync(join(tmpdir(), "scdl-torch-"));
    running = { python, service: new TorchService(python, folder) };
  }
  return running.service;
}
