import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import type { ProgramBuilder, Shape, Value } from "../tensor/index.ts";
import type { ParameterSpec } from "./model.ts";

/** A parameter of the program that is being built, by name. */
export type Weights = (name: string) => Value;

/** The list of a model's parameters while it is written down. */
export class ParameterList {
  readonly specs: ParameterSpec[] = [];
  readonly #std: number;
  readonly #trained: boolean;

  /** `std`: standard deviation of matrices. */
  constructor(options: { readonly std: number; readonly trained?: boolean }) {
    this.#std = options.std;
    this.#trained = options.trained ?? true;
  }

  /** A matrix of normal values with weight decay. */
  matrix(name: string, shape: Shape, options: { std?: number; zeroRow?: number } = {}): this {
    const { std = this.#std, zeroRow } = options;
    return this.add({ name, shape, init: { kind: "normal", std, zeroRow }, decay: true });
  }

  /** Weight [out, in] and zero bias [out] of a linear layer. */
  linear(name: string, out: number, inner: number, std?: number): this {
    this.matrix(`${name}.weight`, [out, inner], std === undefined ? {} : { std });
    return this.bias(`${name}.bias`, out);
  }

  bias(name: string, size: number): this {
    return this.add({ name, shape: [size], init: { kind: "zeros" }, decay: false });
  }

  /** Weight of ones and bias of zeros of a layer norm. */
  norm(name: string, size: number, between = "."): this {
    const ones = { kind: "ones" } as const;
    this.add({ name: `${name}${between}weight`, shape: [size], init: ones, decay: false });
    return this.bias(`${name}${between}bias`, size);
  }

  /** A linear layer as torch begins it: uniform within ±1/√in. `shape` is that of the weight. */
  torchLinear(name: string, shape: Shape): this {
    const [out = 1, ...inner] = shape;
    const init = { kind: "uniform", bound: inner.reduce((a, b) => a * b, 1) ** -0.5 } as const;
    this.add({ name: `${name}.weight`, shape, init, decay: true });
    return this.add({ name: `${name}.bias`, shape: [out], init, decay: false });
  }

  add(spec: Omit<ParameterSpec, "trained">): this {
    this.specs.push({ ...spec, trained: this.#trained });
    return this;
  }
}

/** Declares parameters of `specs` in a program when they are first asked for. */
export function weightsOf(builder: ProgramBuilder, specs: readonly ParameterSpec[]): Weights {
  const shapes = new Map(specs.map(({ name, shape }) => [name, shape]));
  return (name) => {
    const shape = shapes.get(name);
    if (shape === undefined) {
      throw new NotFoundError("parameter-missing", `the model has no parameter ${name}`, {
        what: name,
        available: [...shapes.keys()],
      });
    }
    return builder.parameter(name, shape);
  };
}

/** Elements of all parameters. */
export function parameterCount(specs: readonly ParameterSpec[]): number {
  return specs.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);
}

/** Refuses sizes that are not whole and positive, and a width that the heads do not divide. */
export function requireSizes(
  what: string,
  sizes: Readonly<Record<string, number>>,
  hiddenSize: number,
  heads: number,
): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size) && size > 0) continue;
    throw new InvalidArgumentError(name, size, `${what}: ${name} is ${size}`, {
      suggestions: ["give a whole number above 0"],
    });
  }
  if (hiddenSize % heads === 0) return;
  throw new InvalidArgumentError(
    "heads",
    heads,
    `${what}: the hidden size (${hiddenSize}) is not a multiple of the number of heads (${heads})`,
  );
}
