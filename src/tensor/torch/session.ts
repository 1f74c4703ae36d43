import { Libtorch } from "./libtorch.ts";
import type { Answer, Request, ThreadSettings } from "./messages.ts";
import { lowDType } from "./precision.ts";
import { Runner } from "./runner.ts";
import { setSwitches } from "./switches.ts";
import type { Tensor } from "./tensor.ts";
import { TensorState } from "./tensor-state.ts";
import { updateOnDevice } from "./update.ts";

/** Programs and states of the thread, and libtorch, loaded when it is first needed. */
export class Session {
  readonly #settings: ThreadSettings;
  readonly #programs = new Map<number, Runner>();
  readonly #states = new Map<number, TensorState>();
  readonly #lasting = new Map<string, Tensor>();
  #torch: Libtorch | undefined;

  constructor(settings: ThreadSettings) {
    this.#settings = settings;
  }

  handle(request: Request): Answer {
    try {
      return this.#answer(request);
    } finally {
      this.#torch?.sweep();
    }
  }

  #answer(request: Request): Answer {
    const torch = this.#load();
    switch (request.kind) {
      case "describe": {
        const { liveTensors, binding } = torch;
        return { liveTensors, interfaceVersion: binding.version };
      }
      case "load":
        this.#programs.set(request.program, new Runner(torch, request.plain));
        return null;
      case "unload":
        this.#programs.get(request.program)?.close();
        this.#programs.delete(request.program);
        return null;
      case "create": {
        const { parameters, trained } = request;
        this.#states.set(request.state, new TensorState(torch, parameters, trained));
        return null;
      }
      case "drop":
        this.#states.get(request.state)?.close();
        this.#states.delete(request.state);
        return null;
      case "write":
        this.#state(request.state).write(request.what, request.arrays);
        return null;
      case "read":
        return this.#state(request.state).read(request.what, request.names);
      case "zero":
        this.#state(request.state).zeroGradients();
        return null;
      case "run": {
        const program = this.#programs.get(request.program);
        if (program === undefined) throw new Error("the program was unloaded");
        const low = lowDType(this.#settings.precision, torch.dtypes);
        const precision = { lowDType: low, lasting: this.#lasting };
        return program.run(this.#state(request.state), request.inputs, request.options, precision);
      }
      case "update": {
        const { optimizer, options } = request;
        return updateOnDevice(this.#state(request.state), optimizer, options, torch);
      }
    }
  }

  #load(): Libtorch {
    if (this.#torch !== undefined) return this.#torch;
    const { libtorch, device, index } = this.#settings;
    const torch = new Libtorch(libtorch, device, index);
    setSwitches(torch, this.#settings);
    this.#torch = torch;
    return torch;
  }

  #state(id: number): TensorState {
    const state = this.#states.get(id);
    if (state === undefined) throw new Error("the state was closed");
    return state;
  }
}
