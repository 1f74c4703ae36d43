/** Graphs of an update of one parameter; they serve all of its shape. */
import type { OptimizerSettings } from "../../optimizer.ts";
import type { Shape } from "../../program.ts";
import { OnnxGraph } from "../graph.ts";

/** Scalar inputs, which change from update to update. */
export const NUMBERS = [
  "gradientFactor",
  "coupled",
  "shrink",
  "rate",
  "correction2",
  "momentum",
] as const;
export type Numbers = Readonly<Record<(typeof NUMBERS)[number], number>>;

export interface ModelSettings {
  readonly kind: OptimizerSettings["kind"];
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** How many moments are kept. */
  readonly moments: 0 | 1 | 2;
}

/** `total` = `sum` + the sum of squares of `gradient` */
export function squaresModel(shape: Shape): Uint8Array {
  const graph = new OnnxGraph();
  graph.input("gradient", "float32", shape);
  graph.input("sum", "float32", []);
  let squares = graph.op("Mul", ["gradient", "gradient"]);
  // An axis at a time: one thread of the GPU sums for one element of the result.
  for (let rank = shape.length; rank > 0; rank--) {
    squares = graph.op("ReduceSum", [squares, graph.integers([-1])], { keepdims: 0 });
  }
  graph.node("Add", ["sum", squares], ["total"]);
  graph.output("total", "float32", []);
  return graph.finish("squares");
}

/** The formulas of `optimizer.ts`: from `values`, `first`, `second` to `new values` and so on. */
export function updateModel(shape: Shape, settings: ModelSettings): Uint8Array {
  const graph = new OnnxGraph();
  const op = (type: string, a: string, b: string) => graph.op(type, [a, b]);
  const input = (name: string, of: Shape = shape) => {
    graph.input(name, "float32", of);
    return name;
  };
  const output = (type: string, inputs: readonly string[], name: string) => {
    graph.node(type, inputs, [`new ${name}`]);
    graph.output(`new ${name}`, "float32", shape);
    return `new ${name}`;
  };
  const number = (name: keyof Numbers) => input(name, []);
  const values = input("values");
  let gradient = op("Mul", input("gradient"), number("gradientFactor"));
  if (settings.kind !== "adamw") {
    gradient = op("Add", gradient, op("Mul", values, number("coupled")));
  }
  if (settings.kind === "sgd") {
    const kept =
      settings.moments === 0
        ? gradient
        : output("Add", [gradient, op("Mul", input("first"), number("momentum"))], "first");
    output("Sub", [values, op("Mul", kept, number("rate"))], "values");
    return graph.finish("sgd");
  }
  const mixed = (name: string, term: string, share: number) => {
    const old = op("Mul", input(name), graph.float(share));
    return output("Add", [old, op("Mul", term, graph.float(1 - share))], name);
  };
  const first = mixed("first", gradient, settings.beta1);
  const second = mixed("second", op("Mul", gradient, gradient), settings.beta2);
  const root = op("Mul", graph.op("Sqrt", [second]), number("correction2"));
  const divisor = op("Add", root, graph.float(settings.epsilon));
  const change = op("Div", op("Mul", first, number("rate")), divisor);
  const shrunk = settings.kind === "adamw" ? op("Mul", values, number("shrink")) : values;
  output("Sub", [shrunk, change], "values");
  return graph.finish(settings.kind);
}
