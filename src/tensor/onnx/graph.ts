import type { Shape } from "../program.ts";
import { ProtobufWriter } from "./protobuf.ts";

/** Element types by their numbers in onnx.proto. */
const ELEMENT_TYPES = { float32: 1, uint8: 2, uint16: 4, int32: 6, int64: 7, bool: 9 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

const OPSET = 20;
const IR_VERSION = 9;
/** Domain of ONNX Runtime's own operators. */
export const MICROSOFT = "com.microsoft";

/** Attributes of a node. `{ float }` marks numbers that the operator wants as floats. */
export type Attributes = Readonly<
  Record<string, number | string | readonly number[] | { readonly float: number }>
>;

/** An ONNX graph under construction; tensors are known by name. */
export class OnnxGraph {
  readonly #nodes: ProtobufWriter[] = [];
  readonly #initializers: ProtobufWriter[] = [];
  readonly #inputs: ProtobufWriter[] = [];
  readonly #outputs: ProtobufWriter[] = [];
  readonly #constants = new Map<string, string>();
  readonly #domains = new Set<string>();
  #names = 0;

  get nodeCount(): number {
    return this.#nodes.length;
  }

  input(name: string, type: ElementType, shape: Shape): void {
    this.#inputs.push(valueInfo(name, type, shape));
  }

  output(name: string, type: ElementType, shape: Shape): void {
    this.#outputs.push(valueInfo(name, type, shape));
  }

  /** A tensor stored in the graph. Small equal ones are stored once. */
  initializer(type: ElementType, shape: Shape, bytes: Uint8Array, name?: string): string {
    const key = `${type}[${shape.join()}]${bytes.length <= 256 ? Buffer.from(bytes).toString("hex") : ""}`;
    const known = name === undefined && bytes.length <= 256 ? this.#constants.get(key) : undefined;
    if (known !== undefined) return known;
    const given = name ?? this.#name("constant");
    const tensor = new ProtobufWriter();
    for (const size of shape) tensor.integer(1, size);
    tensor.integer(2, ELEMENT_TYPES[type]);
    tensor.text(8, given);
    tensor.bytes(9, bytes);
    this.#initializers.push(tensor);
    if (name === undefined && bytes.length <= 256) this.#constants.set(key, given);
    return given;
  }

  /** A float32 scalar. */
  float(value: number): string {
    return this.floats([], Float32Array.of(value));
  }

  floats(shape: Shape, data: Float32Array): string {
    return this.initializer("float32", shape, asBytes(data));
  }

  /** A list of int64, as operators want axes and shapes. */
  integers(values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.initializer("int64", [values.length], asBytes(data));
  }

  /** Appends a node with one output and returns its name. An input "" is left out. */
  op(type: string, inputs: readonly string[], attributes: Attributes = {}, domain = ""): string {
    const output = this.#name(type);
    this.node(type, inputs, [output], attributes, domain);
    return output;
  }

  /** Appends a node with several outputs of new names. */
  ops(
    type: string,
    inputs: readonly string[],
    count: number,
    attributes: Attributes = {},
  ): string[] {
    const outputs = Array.from({ length: count }, () => this.#name(type));
    this.node(type, inputs, outputs, attributes, "");
    return outputs;
  }

  /** Appends a node whose outputs have the names given. */
  node(
    type: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Attributes = {},
    domain = "",
  ): void {
    const node = new ProtobufWriter();
    for (const name of inputs) node.text(1, name);
    for (const name of outputs) node.text(2, name);
    node.text(3, `node_${this.#nodes.length}_${type}`);
    node.text(4, type);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value));
    if (domain !== "") node.text(7, domain);
    this.#domains.add(domain);
    this.#nodes.push(node);
  }

  /** The bytes of the model file. */
  finish(name: string): Uint8Array {
    const graph = new ProtobufWriter();
    for (const node of this.#nodes) graph.message(1, node);
    graph.text(2, name);
    for (const tensor of this.#initializers) graph.message(5, tensor);
    for (const input of this.#inputs) graph.message(11, input);
    for (const output of this.#outputs) graph.message(12, output);
    const model = new ProtobufWriter();
    model.integer(1, IR_VERSION);
    model.text(2, "scdl");
    model.message(7, graph);
    for (const domain of new Set(["", ...this.#domains])) {
      const opset = new ProtobufWriter();
      if (domain !== "") opset.text(1, domain);
      opset.integer(2, domain === "" ? OPSET : 1);
      model.message(8, opset);
    }
    return model.finish();
  }

  #name(stem: string): string {
    return `${stem.toLowerCase()}_${this.#names++}`;
  }
}

export function asBytes(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function attribute(name: string, value: Attributes[string]): ProtobufWriter {
  const writer = new ProtobufWriter();
  writer.text(1, name);
  if (typeof value === "string") {
    writer.text(4, value);
    writer.integer(20, 3);
  } else if (typeof value === "number") {
    writer.integer(3, value);
    writer.integer(20, 2);
  } else if ("float" in value) {
    writer.float(2, value.float);
    writer.integer(20, 1);
  } else {
    for (const item of value) writer.integer(8, item);
    writer.integer(20, 7);
  }
  return writer;
}

function valueInfo(name: string, type: ElementType, shape: Shape): ProtobufWriter {
  const sizes = new ProtobufWriter();
  for (const size of shape) {
    const dimension = new ProtobufWriter();
    dimension.integer(1, size);
    sizes.message(1, dimension);
  }
  const tensor = new ProtobufWriter();
  tensor.integer(1, ELEMENT_TYPES[type]);
  tensor.message(2, sizes);
  const of = new ProtobufWriter();
  of.message(1, tensor);
  const info = new ProtobufWriter();
  info.text(1, name);
  info.message(2, of);
  return info;
}
