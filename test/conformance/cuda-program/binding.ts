/** The functions of libtorch by the service: a GPU that computes on the processor. */
import type { HostArray, Shape } from "../../../src/tensor/program.ts";
import type { LibtorchFunctions, LibtorchMethod } from "../../../src/tensor/torch/binding.ts";
import type { OperatorSchema } from "../../../src/tensor/torch/schema.ts";
import type { Device, Tensor } from "../../../src/tensor/torch/tensor.ts";
import type { VerifiedOperators } from "../../../src/tensor/torch/verified-operators.ts";
import type { ServedTensor, TorchService } from "./service.ts";

/** As libtorch numbers them. */
const NUMBERS: Readonly<Record<string, number>> = {
  aoti_torch_device_type_cpu: 0,
  aoti_torch_device_type_cuda: 1,
  aoti_torch_dtype_int32: 3,
  aoti_torch_dtype_int64: 4,
  aoti_torch_dtype_float16: 5,
  aoti_torch_dtype_float32: 6,
  aoti_torch_dtype_bool: 11,
  aoti_torch_dtype_bfloat16: 15,
};
const WORD = 2 ** 32;
const GENERATOR = 0x7000;
/** Where the address of the generator lies. */
const GENERATOR_HANDLE = 0x5000;

/** A tensor with the number of handles that name it; `served` is null where there is none. */
interface Shared {
  readonly served: ServedTensor | null;
  readonly host?: HostArray;
  handles: number;
}

type Held =
  | { readonly tensor: Shared }
  | { readonly list: number[] }
  | { readonly text: string }
  | { readonly box: readonly [number, number] };

/**
 * Keeps handles as libtorch does: those in a call's arguments belong to it, all others are freed once.
 * Arguments are read from the words that libtorch would read.
 */
export class SimulatedBinding implements LibtorchFunctions {
  readonly version = "simulated";
  readonly memory = null;
  readonly #service: TorchService;
  readonly #schemas = new Map<string, OperatorSchema>();
  readonly #held = new Map<number, Held>();
  #handles = 0;
  #unused: number[] = [];

  constructor(service: TorchService, operators: VerifiedOperators) {
    this.#service = service;
    for (const schema of Object.values(operators)) {
      this.#schemas.set(`aten::${schema.name}.${schema.overload}`, schema);
    }
  }

  /** Handles that nobody freed. */
  get liveHandles(): number {
    return this.#held.size;
  }

  call(name: Buffer, overload: Buffer, words: Uint32Array): void {
    const [called, variant] = [textOf(name), textOf(overload)];
    const schema = this.#schemas.get(`${called}.${variant}`);
    if (schema === undefined) throw new Error(`${called}.${variant} was not looked for`);
    const given = schema.arguments.map(({ type }, at) =>
      this.#decoded(type, words[2 * at] ?? 0, words[2 * at + 1] ?? 0),
    );
    const answer = this.#ask("call", schema.name, variant, given);
    const results = answer as readonly (ServedTensor | number | null)[]; // proof: service.py
    const put = (slot: number, value: number) => {
      words[2 * slot] = value;
      words[2 * slot + 1] = Math.floor(value / WORD);
    };
    if (schema.returns[0] === "Tensor[]") {
      const handles = (results as readonly ServedTensor[]).map((one) => this.#tensor(one)); // proof: its type
      put(0, this.#hold({ list: handles }));
      return;
    }
    for (const [slot, result] of results.entries()) {
      put(slot, typeof result === "number" ? result : this.#tensor(result));
    }
  }

  duplicate({ handle }: Tensor): number {
    const tensor = this.#shared(handle);
    tensor.handles++;
    return this.#hold({ tensor });
  }

  free(handle: number): void {
    const tensor = this.#shared(handle);
    this.#held.delete(handle);
    if (--tensor.handles === 0 && tensor.served !== null) this.#unused.push(tensor.served.id);
  }

  list(): number {
    return this.#hold({ list: [] });
  }

  push(list: number, value: number): void {
    this.#list(list).push(value);
  }

  pushNegative(list: number, value: number): void {
    this.#list(list).push(value);
  }

  listItems(list: number): number[] {
    const items = this.#list(list);
    this.#held.delete(list);
    return items;
  }

  text(value: string): number {
    return this.#hold({ text: value });
  }

  box(low: number, high: number): number {
    return this.#hold({ box: [low, high] });
  }

  number(name: string): number {
    const number = NUMBERS[name];
    if (number === undefined) throw new Error(`no number ${name}`);
    return number;
  }

  subtract(a: number, b: number, factor: number): number {
    return this.#made("subtract", this.#named(a), this.#named(b), factor);
  }

  pad(x: number, counts: readonly number[]): number {
    return this.#made("pad", this.#named(x), counts);
  }

  full(shape: Shape, value: number, dtype: number, { type, index }: Device): number {
    return this.#made("full", shape, value, dtype, [type, index]);
  }

  number32(value: number): number {
    return this.blob(Float32Array.of(value), [], this.number("aoti_torch_dtype_float32"));
  }

  blob(array: HostArray, shape: Shape, dtype: number): number {
    const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
    const served = this.#ask("blob", shape, dtype, bytes) as ServedTensor; // proof: service.py
    return this.#hold({ tensor: { served, host: array, handles: 1 } });
  }

  clone(x: number): number {
    return this.#made("clone", this.#named(x));
  }

  copy(to: number, from: number): void {
    const bytes = this.#ask("copy", this.#named(to), this.#named(from));
    const { host } = this.#shared(to);
    if (host === undefined || typeof bytes !== "string") return;
    const memory = new Uint8Array(host.buffer, host.byteOffset, host.byteLength);
    memory.set(Buffer.from(bytes, "base64"));
  }

  emptyPinned(shape: Shape, dtype: number): number {
    return this.#made("full", shape, 0, dtype, [this.number("aoti_torch_device_type_cpu"), 0]);
  }

  cudaStream(): number {
    return 0;
  }

  dtypeOf(x: number): number {
    return this.#served(x).dtype;
  }

  sizeOf(x: number, axis: number): number {
    const size = this.#served(x).shape.at(axis);
    if (size === undefined) throw new Error(`no axis ${axis}`);
    return size;
  }

  isContiguous(x: number): boolean {
    return this.#served(x).contiguous;
  }

  undefinedTensor(): number {
    return this.#tensor(null);
  }

  /** One process: no gradients are added up. */
  dataPointer(): number {
    throw new Error("simulated tensors have no memory");
  }

  useDevice(): void {}

  symbol(name: string): LibtorchMethod | null {
    if (name === "_ZN2at4cuda6detail23getDefaultCUDAGeneratorEa") return () => GENERATOR_HANDLE;
    if (name === "_ZN2at17CUDAGeneratorImpl16set_current_seedEm") {
      return (generator, seed) => {
        if (generator !== GENERATOR) throw new Error(`${generator} is no generator`);
        this.#ask("seed", String(seed));
      };
    }
    return name.startsWith("_ZN2at7Context") || name === "_ZN2at13globalContextEv" ? () => 1 : null;
  }

  addressAt(address: number): number {
    if (address !== GENERATOR_HANDLE) throw new Error(`nothing is known at ${address}`);
    return GENERATOR;
  }

  #ask(name: string, ...given: readonly unknown[]): unknown {
    if (this.#unused.length > 0) this.#service.ask("free", this.#unused);
    this.#unused = [];
    return this.#service.ask(name, ...given);
  }

  /** Of an argument of a schema, whose handles are used up by it. */
  #decoded(type: string, low: number, high: number): unknown {
    const whole = (high | 0) * WORD + low;
    if (type.endsWith("?")) return whole === 0 ? null : this.#unboxed(type.slice(0, -1), whole);
    if (type.endsWith("[]")) {
      return this.listItems(whole).map((item) => this.#item(type.slice(0, -2), item));
    }
    if (type === "Tensor" || type === "bool" || type === "int") return this.#item(type, whole);
    if (type === "float") return new Float64Array(Uint32Array.of(low, high).buffer)[0];
    if (type === "ScalarType") return { dtype: whole };
    if (type === "MemoryFormat") return { format: whole };
    if (type === "Device") return { device: [high, low] };
    if (type === "str") return this.#text(whole);
    throw new Error(`an argument of type ${type}`);
  }

  #item(type: string, value: number): unknown {
    if (type === "bool") return value === 1;
    if (type !== "Tensor") return value;
    const named = this.#named(value);
    this.free(value);
    return named;
  }

  #unboxed(type: string, box: number): unknown {
    const held = this.#held.get(box);
    if (held === undefined || !("box" in held)) throw new Error(`${box} is no box`);
    this.#held.delete(box);
    return this.#decoded(type, ...held.box);
  }

  #text(handle: number): string {
    const held = this.#held.get(handle);
    if (held === undefined || !("text" in held)) throw new Error(`${handle} is no text`);
    this.#held.delete(handle);
    return held.text;
  }

  #list(handle: number): number[] {
    const held = this.#held.get(handle);
    if (held === undefined || !("list" in held)) throw new Error(`${handle} is no list`);
    return held.list;
  }

  #shared(handle: number): Shared {
    const held = this.#held.get(handle);
    if (held === undefined || !("tensor" in held)) {
      throw new Error(`${handle} is no tensor, or was freed`);
    }
    return held.tensor;
  }

  #served(handle: number): ServedTensor {
    const { served } = this.#shared(handle);
    if (served === null) throw new Error("a tensor that is not there was asked");
    return served;
  }

  #named(handle: number): { readonly tensor: number | null } {
    return { tensor: this.#shared(handle).served?.id ?? null };
  }

  #made(name: string, ...given: readonly unknown[]): number {
    return this.#tensor(this.#ask(name, ...given) as ServedTensor); // proof: service.py
  }

  #tensor(served: ServedTensor | null): number {
    return this.#hold({ tensor: { served, handles: 1 } });
  }

  #hold(held: Held): number {
    this.#held.set(++this.#handles, held);
    return this.#handles;
  }
}

function textOf(name: Buffer): string {
  return name.toString("latin1", 0, name.length - 1);
}
