import { freeMemory } from "../memory-limit.ts";
import type { HostArray, Shape } from "../program.ts";
import { freeCudaBytes } from "./cuda-driver.ts";
import { errorOfLibtorch } from "./errors.ts";
import { type FoundLibtorch, tooOld } from "./find-libtorch.ts";
import { MemoryReports } from "./memory-reports.ts";
import {
  loadKoffi,
  loadLibraries,
  type NativeFunction,
  type NativeLibrary,
} from "./shared-libraries.ts";
import type { Device, Tensor } from "./tensor.ts";

const POINTER = "uintptr_t";
const WORD = 2 ** 32;
/** `torch_call_dispatcher` came with 2.10, and so did strings and lists as arguments. */
const NEEDED = "torch_call_dispatcher";

/**
 * The functions of libtorch's stable C interface that are used here. Handles are addresses, as
 * numbers. Every call that reports an error throws.
 */
export class Binding {
  /** Of the interface, e.g. "2.11". */
  readonly version: string;
  readonly #library: NativeLibrary;
  readonly #words = new Uint32Array(2);
  readonly #flag = new Uint8Array(1);
  readonly #versionBits: bigint;
  readonly #functions = new Map<string, NativeFunction>();
  readonly #what: NativeFunction | null;
  readonly #box: (low: number, high: number) => number;
  readonly #dispatch: NativeFunction;
  readonly #duplicate: NativeFunction;
  readonly #free: NativeFunction;
  readonly #push: NativeFunction;
  /** In the library for CUDA. */
  #stream: NativeFunction | undefined;

  /** What the allocators report; null where nobody listens. */
  readonly memory: MemoryReports | null;
  readonly #cuda: boolean;

  /** @param countsMemory whether allocations are counted, for {@link memory} */
  constructor({ directory, version }: FoundLibtorch, cuda: boolean, countsMemory = false) {
    this.#cuda = cuda;
    const libraries = ["libtorch_cpu.so", ...(cuda ? ["libtorch_cuda.so"] : [])];
    this.#library = loadLibraries(directory, libraries);
    if (!this.#has(NEEDED)) throw tooOld(directory, version);
    this.#versionBits = BigInt(this.#library.func("aoti_torch_abi_version", "uint64", [])());
    this.version = `${this.#versionBits >> 56n}.${(this.#versionBits >> 48n) & 0xffn}`;
    this.#what = this.#has("torch_exception_get_what_without_backtrace")
      ? this.#library.func("torch_exception_get_what_without_backtrace", "const char *", [])
      : null;
    this.#box = this.#boxes();
    this.#dispatch = this.#library.func(NEEDED, "int32", ["void *", "void *", "void *", "uint64"]);
    this.#duplicate = this.#library.func("aoti_torch_new_tensor_handle", "int32", [
      POINTER,
      "void *",
    ]);
    this.#free = this.#library.func("aoti_torch_delete_tensor_object", "int32", [POINTER]);
    this.#push = this.#library.func("torch_list_push_back", "int32", [POINTER, "uint64"]);
    // Since 2.13 errors say themselves what was asked for.
    const device = this.number(`aoti_torch_device_type_${cuda ? "cuda" : "cpu"}`);
    const listens = countsMemory || this.#what === null;
    this.memory = listens ? MemoryReports.open(device, countsMemory) : null;
    // Gradients are programs here: libtorch is to record nothing for its own.
    this.#library.func("aoti_torch_grad_mode_set_enabled", "void", ["bool"])(false);
  }

  /** Calls an operator; `words` has the arguments, afterwards the results. */
  call(name: Buffer, overload: Buffer, words: Uint32Array): void {
    // An operator may do with less where an allocation fails: that one is no reason of a later error.
    this.memory?.takeFailure();
    const status: number = this.#dispatch(name, overload, words, this.#versionBits);
    if (status !== 0) throw this.#error(name.toString("latin1", 0, name.length - 1));
  }

  duplicate(tensor: Tensor): number {
    this.#check(this.#duplicate(tensor.handle, this.#words), "new_tensor_handle");
    return this.#handle();
  }

  free(handle: number): void {
    this.#check(this.#free(handle), "delete_tensor_object");
  }

  list(length: number): number {
    const make = this.#function("torch_new_list_reserve_size", ["size_t", "void *"]);
    this.#check(make(length, this.#words), "new_list");
    return this.#handle();
  }

  push(list: number, value: number): void {
    this.#check(this.#push(list, value), "list_push_back");
  }

  pushNegative(list: number, value: number): void {
    this.#check(this.#push(list, BigInt.asUintN(64, BigInt(value))), "list_push_back");
  }

  /** The items of a list, which is freed. */
  listItems(list: number): number[] {
    const size = this.#function("torch_list_size", [POINTER, "void *"]);
    this.#check(size(list, this.#words), "list_size");
    const count = this.#handle();
    const get = this.#function("torch_list_get_item", [POINTER, "size_t", "void *"]);
    const items = Array.from({ length: count }, (_, at) => {
      this.#check(get(list, at, this.#words), "list_get_item");
      return this.#handle();
    });
    this.#check(this.#function("torch_delete_list", [POINTER])(list), "delete_list");
    return items;
  }

  text(value: string): number {
    const make = this.#function("torch_new_string_handle", ["const char *", "size_t", "void *"]);
    this.#check(make(value, Buffer.byteLength(value), this.#words), "new_string");
    return this.#handle();
  }

  box(low: number, high: number): number {
    return this.#box(low, high);
  }

  /** A number that libtorch gives for a name, e.g. of a dtype. */
  number(name: string): number {
    return this.#function(name, [])();
  }

  subtract(a: number, b: number, factor: number): number {
    const types = [POINTER, POINTER, "double", "void *"];
    const subtract = this.#function("aoti_torch_aten_subtract_Tensor", types);
    this.#check(subtract(a, b, factor, this.#words), "subtract");
    return this.#handle();
  }

  pad(x: number, counts: readonly number[]): number {
    const types = [POINTER, "void *", "int64", "const char *", "void *", "void *"];
    const pad = this.#function("aoti_torch_aten_pad", types);
    const sizes = BigInt64Array.from(counts, BigInt);
    const zero = new Float64Array(1);
    this.#check(pad(x, sizes, counts.length, "constant", zero, this.#words), "pad");
    return this.#handle();
  }

  full(shape: Shape, value: number, dtype: number, { type, index }: Device): number {
    const pointers = ["void *", "void *", "void *"];
    const types = ["void *", "int64", "double", ...pointers, "int32", "void *", "void *"];
    const full = this.#function("aoti_torch_aten_full", types);
    const kind = Int32Array.of(dtype);
    const place = Int32Array.of(type);
    const sizes = sizesOf(shape);
    this.#check(
      full(sizes, shape.length, value, kind, null, place, index, null, this.#words),
      "full",
    );
    return this.#handle();
  }

  number32(value: number): number {
    const make = this.#function("aoti_torch_scalar_to_tensor_float32", ["float", "void *"]);
    this.#check(make(value, this.#words), "scalar_to_tensor");
    return this.#handle();
  }

  /** A tensor on the host over the memory of an array, which must outlive it. */
  blob(array: HostArray, shape: Shape, dtype: number): number {
    const types = ["void *", "int64", "void *", "void *", "int64", ...Array(3).fill("int32")];
    const make = this.#function("aoti_torch_create_tensor_from_blob", [...types, "void *"]);
    const [sizes, strides] = [sizesOf(shape), stridesOf(shape)];
    this.#check(
      make(array, shape.length, sizes, strides, 0, dtype, 0, 0, this.#words),
      "create_tensor_from_blob",
    );
    return this.#handle();
  }

  clone(x: number): number {
    this.#check(this.#function("aoti_torch_clone", [POINTER, "void *"])(x, this.#words), "clone");
    return this.#handle();
  }

  /** @param isAsked a copy between device and pinned memory is only asked for, not waited for */
  copy(to: number, from: number, isAsked = false): void {
    const copy = this.#function("aoti_torch_copy_", [POINTER, POINTER, "int32"]);
    this.#check(copy(to, from, isAsked ? 1 : 0), "copy_");
  }

  /**
   * A tensor in memory of the host that the device copies from and to by itself; null where this
   * version cannot make one. libtorch keeps the memory of freed ones for the next, and gives it out only
   * when the device is done with it.
   */
  emptyPinned(shape: Shape, dtype: number): number | null {
    const name = "aoti_torch_empty_strided_pinned";
    if (!this.#functions.has(name) && !this.#has(name)) return null;
    const types = ["int64", "void *", "void *", "int32", "int32", "int32", "void *"];
    const make = this.#function(name, types);
    const [sizes, strides] = [sizesOf(shape), stridesOf(shape)];
    this.#check(make(shape.length, sizes, strides, dtype, 0, 0, this.#words), "empty_pinned");
    return this.#handle();
  }

  /** What a device of CUDA works off in order: an address, 0 for the one that there always is. */
  cudaStream(index: number): number {
    this.#stream ??= loadKoffi()
      .load(null)
      .func("aoti_torch_get_current_cuda_stream", "int32", ["int32", "void *"]);
    this.#check(this.#stream(index, this.#words), "get_current_cuda_stream");
    return this.#handle();
  }

  dtypeOf(x: number): number {
    const get = this.#function("aoti_torch_get_dtype", [POINTER, "void *"]);
    this.#check(get(x, this.#words), "get_dtype");
    return (this.#words[0] ?? 0) | 0;
  }

  sizeOf(x: number, axis: number): number {
    const get = this.#function("aoti_torch_get_size", [POINTER, "int64", "void *"]);
    this.#check(get(x, axis, this.#words), "get_size");
    return this.#handle();
  }

  isContiguous(x: number): boolean {
    const ask = this.#function("aoti_torch_is_contiguous", [POINTER, "void *"]);
    this.#check(ask(x, this.#flag), "is_contiguous");
    return this.#flag[0] === 1;
  }

  /** Address of the first element, on its device. */
  dataPointer(x: number): number {
    const get = this.#function("aoti_torch_get_data_ptr", [POINTER, "void *"]);
    this.#check(get(x, this.#words), "get_data_ptr");
    return this.#handle();
  }

  /** A tensor that is not there, where an operator's argument must not be absent. */
  undefinedTensor(): number {
    const make = this.#function("aoti_torch_new_uninitialized_tensor", ["void *"]);
    this.#check(make(this.#words), "new_uninitialized_tensor");
    return this.#handle();
  }

  /** Makes a device of CUDA the one that this thread works on, until it ends. */
  useDevice(index: number): void {
    const guard = this.#function("aoti_torch_create_device_guard", ["int32", "void *"]);
    this.#check(guard(index, this.#words), "create_device_guard");
  }

  /**
   * A function of libtorch's C++ side by its symbol, those of CUDA too, or null where this version has
   * none.
   */
  symbol(name: string, result: string, types: readonly string[]): LibtorchMethod | null {
    // Libraries are loaded for the whole process; that for CUDA is not among what the other one needs.
    const loaded = loadKoffi().load(null);
    return has(loaded, name) ? loaded.func(name, result, [...types]) : null;
  }

  /** The address that lies at an address. */
  addressAt(address: number): number {
    const copy = loadKoffi().load(null).func("void *memcpy(void *, uintptr_t, size_t)");
    copy(this.#words, address, 8);
    return this.#handle();
  }

  #function(name: string, types: readonly string[]): NativeFunction {
    const known = this.#functions.get(name);
    if (known !== undefined) return known;
    const made = this.#library.func(name, "int32", [...types]);
    this.#functions.set(name, made);
    return made;
  }

  #has(name: string): boolean {
    return has(this.#library, name);
  }

  /** Before 2.13 libtorch frees what C++'s `new` made; since then it has a function for it. */
  #boxes(): (low: number, high: number) => number {
    const words = new Uint32Array(2);
    const koffi = loadKoffi();
    const copy = koffi.load(null).func("void *memcpy(uintptr_t, void *, size_t)");
    const allocate = this.#has("torch_new_stable_ivalue")
      ? () => {
          const make = this.#function("torch_new_stable_ivalue", ["void *"]);
          this.#check(make(this.#words), "new_stable_ivalue");
          return this.#handle();
        }
      : this.#operatorNew();
    return (low, high) => {
      const address = allocate();
      words[0] = low;
      words[1] = high;
      copy(address, words, 8);
      return address;
    };
  }

  #operatorNew(): () => number {
    const make = loadKoffi().load("libstdc++.so.6").func("_Znwm", POINTER, ["size_t"]);
    return () => Number(make(8));
  }

  #handle(): number {
    return (this.#words[1] ?? 0) * WORD + (this.#words[0] ?? 0);
  }

  #check(status: number, what: string): void {
    if (status !== 0) throw this.#error(what);
  }

  #error(what: string): Error {
    const message: unknown = this.#what?.();
    return errorOfLibtorch(what, typeof message === "string" ? message : null, {
      failed: this.memory?.takeFailure() ?? null,
      freeBytes: () => (this.#cuda ? freeCudaBytes() : freeMemory()),
    });
  }
}

/** By its symbol. */
export type LibtorchMethod = (...given: readonly unknown[]) => unknown;

/** What {@link Libtorch} needs of them: another implementation can stand for the library. */
export type LibtorchFunctions = Pick<Binding, keyof Binding>;

function has(library: NativeLibrary, name: string): boolean {
  try {
    library.symbol(name);
    return true;
  } catch {
    return false;
  }
}

function sizesOf(shape: Shape): BigInt64Array {
  return BigInt64Array.from(shape.length === 0 ? [0] : shape, BigInt);
}

function stridesOf(shape: Shape): BigInt64Array {
  const strides = new BigInt64Array(Math.max(1, shape.length));
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = BigInt(stride);
    stride *= shape[axis] ?? 1;
  }
  return strides;
}
