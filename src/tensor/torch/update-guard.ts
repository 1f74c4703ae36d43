import type { UpdateGuardOptions } from "../optimizer.ts";
import type { Libtorch } from "./libtorch.ts";
import type { Tensor } from "./tensor.ts";

/**
 * What an update depends on that is asked for before the host has seen what came before it. Numbers are
 * 0 where all is well and NaN where not: float32 [] on the device.
 */
export class UpdateGuard {
  readonly #torch: Libtorch;
  /** Of the runs since the gradients were zero, by output. */
  readonly #outputs = new Map<string, Tensor>();
  /** Of the last update. */
  #last: Tensor | undefined;
  /** A run since the gradients were zero has thrown: they are not whole. */
  #isRunLost = false;
  /** The last update has thrown, or was left out for a lost run. */
  #isUpdateLost = false;

  constructor(torch: Libtorch) {
    this.#torch = torch;
  }

  /** Gradients are zero. */
  begin(): void {
    this.#isRunLost = false;
    for (const tensor of this.#outputs.values()) this.#torch.release(tensor);
    this.#outputs.clear();
  }

  /** A run with gradients has computed a float32 scalar. */
  ran(output: string, value: Tensor): void {
    const torch = this.#torch;
    const known = this.#outputs.get(output);
    const found = torch.one("mul", value, torch.number(0));
    this.#outputs.set(output, torch.keep(known === undefined ? found : torch.add(known, found)));
    torch.release(known);
  }

  /** Of the runs since the gradients were zero. */
  health(outputs: readonly string[]): Tensor {
    const torch = this.#torch;
    const known = outputs.flatMap((name) => this.#outputs.get(name) ?? []);
    return known.reduce((sum, one) => torch.add(sum, one), torch.full([], 0, torch.dtypes.float32));
  }

  /** Takes the same of all ranks, for the update to come. */
  replaceHealth(outputs: readonly string[], health: Tensor): void {
    for (const [at, name] of outputs.entries()) {
      this.#torch.release(this.#outputs.get(name));
      this.#outputs.delete(name);
      if (at === 0) this.#outputs.set(name, this.#torch.keep(health));
    }
  }

  runLost(): void {
    this.#isRunLost = true;
  }

  updateLost(): void {
    this.#isUpdateLost = true;
  }

  /** Whether the update is not to be asked of the device at all. */
  forbids(guard: UpdateGuardOptions | undefined): boolean {
    const isLost = this.#isRunLost || (guard?.update === true && this.#isUpdateLost);
    this.#isUpdateLost = guard !== undefined && isLost;
    return this.#isUpdateLost;
  }

  /**
   * Whether the update, and those that ask for it, may change anything, as the device finds it.
   * @param own of its gradients
   */
  check(own: Tensor, guard: UpdateGuardOptions | undefined): Tensor {
    const torch = this.#torch;
    const parts = [
      ...(guard?.outputs ?? []).map((name) => this.#outputs.get(name)),
      guard?.update === true ? this.#last : undefined,
    ];
    const all = parts.reduce<Tensor>((sum, part) => (part ? torch.add(sum, part) : sum), own);
    torch.release(this.#last);
    this.#last = torch.keep(all);
    return all;
  }

  close(): void {
    this.begin();
    this.#torch.release(this.#last);
    this.#last = undefined;
  }
}
