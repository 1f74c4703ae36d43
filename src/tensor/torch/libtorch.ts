import type { HostArray, Shape } from "../program.ts";
import { ArgumentStack } from "./arguments.ts";
import { Binding, type LibtorchFunctions } from "./binding.ts";
import type { FoundLibtorch } from "./find-libtorch.ts";
import type { OperatorName } from "./operators.ts";
import { type Argument, type Device, Tensor } from "./tensor.ts";
import { type VerifiedOperators, verifyOperators } from "./verified-operators.ts";
import { withAdvice } from "./whole-libraries.ts";

interface Callable {
  readonly name: Buffer;
  readonly overload: Buffer;
  readonly schema: VerifiedOperators[OperatorName];
}

/** Names of dtypes as they are used here, numbers as libtorch gives them. */
export interface DTypes {
  readonly float32: number;
  readonly bfloat16: number;
  readonly float16: number;
  readonly int64: number;
  readonly int32: number;
  readonly bool: number;
}

/** Batches and sums are below it, weights and what models give out are not. */
const PINNED_BYTES = 16 * 2 ** 20;

/**
 * libtorch through its stable C interface: tensors and operators, on one device.
 *
 * Tensors that operators make are freed by {@link sweep} unless somebody keeps them.
 */
export class Libtorch {
  readonly device: Device;
  readonly dtypes: DTypes;
  readonly binding: LibtorchFunctions;
  /** Whether the device has the flash kernels. */
  hasFlash = false;
  readonly #stack: ArgumentStack;
  readonly #callables: Readonly<Record<OperatorName, Callable>>;
  readonly #numbers = new Map<number, Tensor>();
  #fresh: Tensor[] = [];
  #live = 0;
  #waits = 0;

  /**
   * @param binding stands for the library's functions, without loading it
   * @param countsMemory whether allocations are counted, see {@link Binding.memory}
   */
  constructor(
    found: FoundLibtorch,
    device: "cpu" | "cuda",
    index: number,
    binding?: LibtorchFunctions,
    countsMemory = false,
  ) {
    const operators = withAdvice(() => verifyOperators(found.directory, found.version));
    this.binding = binding ?? new Binding(found, device === "cuda", countsMemory);
    this.#stack = new ArgumentStack(this.binding);
    this.#callables = callables(operators);
    this.device = { type: this.binding.number(`aoti_torch_device_type_${device}`), index };
    const dtype = (name: string) => this.binding.number(`aoti_torch_dtype_${name}`);
    this.dtypes = {
      float32: dtype("float32"),
      bfloat16: dtype("bfloat16"),
      float16: dtype("float16"),
      int64: dtype("int64"),
      int32: dtype("int32"),
      bool: dtype("bool"),
    };
    if (this.isCuda) this.binding.useDevice(index);
  }

  get isCuda(): boolean {
    return this.device.type !== 0;
  }

  /** Tensors that are not freed: what a leak would show in. */
  get liveTensors(): number {
    return this.#live;
  }

  /** How often the host has waited for the device, see {@link stage} and {@link takeOut}. */
  get waits(): number {
    return this.#waits;
  }

  /** Calls an operator with one result. Arguments that are left away have the schema's defaults. */
  one(name: OperatorName, ...given: readonly Argument[]): Tensor {
    this.#call(name, given);
    return this.#own(this.#stack.handle(0));
  }

  /** Calls an operator; its results that are tensors. */
  many(name: OperatorName, ...given: readonly Argument[]): Tensor[] {
    return this.results(name, ...given).filter((result) => result instanceof Tensor);
  }

  /** Calls an operator; all its results. */
  results(name: OperatorName, ...given: readonly Argument[]): (Tensor | number)[] {
    const { returns } = this.#call(name, given).schema;
    if (returns[0] === "Tensor[]") return this.#unpack(this.#stack.handle(0));
    return returns.map((type, slot) =>
      type === "Tensor" ? this.#own(this.#stack.handle(slot)) : this.#stack.integer(slot),
    );
  }

  /** a + factor · b; `add` itself cannot be called, see `OPERATORS`. */
  add(a: Tensor, b: Tensor, factor = 1): Tensor {
    return this.#own(this.binding.subtract(a.handle, b.handle, -factor));
  }

  /** Constant padding as torch.nn.functional.pad has it: pairs of counts, the last axis first. */
  pad(x: Tensor, counts: readonly number[]): Tensor {
    return this.#own(this.binding.pad(x.handle, counts));
  }

  /** A tensor of a shape on the device, filled. */
  full(shape: Shape, value: number, dtype: number): Tensor {
    return this.#own(this.binding.full(shape, value, dtype, this.device));
  }

  /** A number as a tensor without dimensions, on the host, where every kernel takes it from. */
  number(value: number): Tensor {
    const known = this.#numbers.get(value);
    if (known !== undefined) return known;
    const tensor = this.keep(this.#own(this.binding.number32(value)));
    this.#numbers.set(value, tensor);
    return tensor;
  }

  /** A whole number as an int32 tensor without dimensions, on the host. */
  integer(value: number): Tensor {
    return this.fromHost(Int32Array.of(value), []);
  }

  /** The array itself as a tensor on the host: nothing is copied. */
  fromHost(array: HostArray, shape: Shape): Tensor {
    const tensor = this.#own(this.binding.blob(array, shape, this.#dtypeOfArray(array)));
    tensor.host = array;
    return tensor;
  }

  /** The array's values in memory of the device; waits for it. */
  upload(array: HostArray, shape: Shape): Tensor {
    const host = this.fromHost(array, shape);
    this.#waits++;
    if (!this.isCuda) return this.#own(this.binding.clone(host.handle));
    return this.one("toCopy", host, null, null, this.device);
  }

  /** The array's values in memory of the device, as {@link upload} has them, without waiting. */
  stage(array: HostArray, shape: Shape): Tensor {
    const host = this.fromHost(array, shape);
    if (!this.isCuda) return this.#own(this.binding.clone(host.handle));
    const pinned = this.#pinned(array.byteLength, shape, this.#dtypeOfArray(array));
    if (pinned === null) return this.upload(array, shape);
    this.binding.copy(pinned.handle, host.handle);
    return this.one("toCopy", pinned, null, null, this.device, null, true);
  }

  /** Copies a tensor out; waits until it is computed. */
  download(x: Tensor, into: HostArray, shape: Shape): void {
    this.#waits++;
    this.binding.copy(this.fromHost(into, shape).handle, x.handle);
  }

  /**
   * Asks for a copy of a tensor in `into`, which has it once `arrived()` was called, after the device
   * has come so far. Large ones are waited for.
   */
  takeOut(x: Tensor, into: HostArray, shape: Shape): { arrived(): void } {
    const isSmall = into.byteLength <= PINNED_BYTES;
    const pinned = this.isCuda ? this.#pinned(into.byteLength, shape, this.dtypeOf(x)) : null;
    if (pinned === null) {
      // Where the host computes there is nothing to wait for.
      if (this.isCuda || !isSmall) this.#waits++;
      this.binding.copy(this.fromHost(into, shape).handle, x.handle);
      return { arrived: () => {} };
    }
    this.binding.copy(pinned.handle, x.handle, true);
    this.keep(pinned);
    const arrived = () => {
      const host = this.fromHost(into, shape);
      this.binding.copy(host.handle, pinned.handle);
      this.release(host);
      this.release(pinned);
    };
    return { arrived };
  }

  /** Overwrites a tensor with the values of another one of the same shape. */
  copyInto(x: Tensor, from: Tensor): void {
    this.binding.copy(x.handle, from.handle);
  }

  /** Overwrites a tensor with the array's values. */
  overwrite(x: Tensor, array: HostArray, shape: Shape): void {
    this.binding.copy(x.handle, this.fromHost(array, shape).handle);
  }

  cast(x: Tensor, dtype: number): Tensor {
    return this.dtypeOf(x) === dtype ? x : this.one("toCopy", x, dtype);
  }

  sizeOf(x: Tensor, axis: number): number {
    return this.binding.sizeOf(x.handle, axis);
  }

  dtypeOf(x: Tensor): number {
    return this.binding.dtypeOf(x.handle);
  }

  /** The tensor itself when its elements lie in order, otherwise a copy. */
  contiguous(x: Tensor): Tensor {
    return this.binding.isContiguous(x.handle) ? x : this.one("contiguous", x);
  }

  /** A copy whose elements lie in order. */
  copy(x: Tensor): Tensor {
    const ordered = this.contiguous(x);
    return ordered === x ? this.#own(this.binding.clone(x.handle)) : ordered;
  }

  /** The same tensor once more, to be freed by itself. */
  another(x: Tensor): Tensor {
    return this.#own(this.binding.duplicate(x));
  }

  /** A tensor that is not there. */
  undefinedTensor(): Tensor {
    return this.#own(this.binding.undefinedTensor());
  }

  keep<T extends Tensor>(tensor: T): T {
    tensor.kept = true;
    return tensor;
  }

  /** Frees what was made since the last time and is not kept. */
  sweep(): void {
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const tensor of fresh) if (!tensor.kept) this.release(tensor);
  }

  release(tensor: Tensor | undefined): void {
    if (tensor === undefined || tensor.handle === 0) return;
    this.binding.free(tensor.handle);
    tensor.handle = 0;
    tensor.host = undefined;
    this.#live--;
    this.release(tensor.lowered);
  }

  #call(name: OperatorName, given: readonly Argument[]): Callable {
    const callable = this.#callables[name];
    this.#stack.fill(callable.schema.arguments, given);
    this.binding.call(callable.name, callable.overload, this.#stack.words);
    return callable;
  }

  #own(handle: number): Tensor {
    const tensor = new Tensor(handle);
    this.#fresh.push(tensor);
    this.#live++;
    return tensor;
  }

  #unpack(list: number): Tensor[] {
    return this.binding.listItems(list).map((handle) => this.#own(handle));
  }

  /** Null for what is too large for memory that the system cannot move. */
  #pinned(bytes: number, shape: Shape, dtype: number): Tensor | null {
    const handle = bytes > PINNED_BYTES ? null : this.binding.emptyPinned(shape, dtype);
    return handle === null ? null : this.#own(handle);
  }

  #dtypeOfArray(array: HostArray): number {
    if (array instanceof Float32Array) return this.dtypes.float32;
    return array instanceof Int32Array ? this.dtypes.int32 : this.dtypes.bool;
  }
}

function callables(operators: VerifiedOperators): Readonly<Record<OperatorName, Callable>> {
  const entries = Object.entries(operators).map(([name, schema]) => {
    const text = (value: string) => Buffer.from(`${value}\0`, "latin1");
    return [name, { name: text(`aten::${schema.name}`), overload: text(schema.overload), schema }];
  });
  return Object.fromEntries(entries) as Readonly<Record<OperatorName, Callable>>; // proof: as given
}
