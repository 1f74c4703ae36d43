import { IncompatibleError } from "../../../formats/common/errors.ts";
import type { SchemaArgument } from "./schema.ts";
import { type Argument, type Device, Tensor } from "./tensor.ts";

/** The C functions that make arguments; each throws where libtorch reports an error. */
export interface ArgumentFactory {
  /** Another handle of the same tensor, for libtorch to free. */
  duplicate(tensor: Tensor): number;
  list(length: number): number;
  push(list: number, value: number): void;
  /** A negative number; {@link push} takes the others. */
  pushNegative(list: number, value: number): void;
  text(value: string): number;
  /** Eight bytes that libtorch frees, for an argument that may be absent. */
  box(low: number, high: number): number;
}

const WORD = 2 ** 32;
const SLOTS = 32;

/** The stack of arguments of one call: 64 bits each. Handles in it belong to libtorch once it is called. */
export class ArgumentStack {
  /** What the call is given, and where it leaves its results. */
  readonly words = new Uint32Array(2 * SLOTS);
  readonly #doubles = new Float64Array(this.words.buffer);
  readonly #factory: ArgumentFactory;

  constructor(factory: ArgumentFactory) {
    this.#factory = factory;
  }

  fill(schema: readonly SchemaArgument[], given: readonly Argument[]): void {
    for (const [slot, argument] of schema.entries()) {
      const value = slot < given.length ? given[slot] : standardValue(argument);
      this.#put(slot, argument, value ?? null);
    }
  }

  /** Result `slot` as a handle. */
  handle(slot: number): number {
    return (this.words[2 * slot + 1] ?? 0) * WORD + (this.words[2 * slot] ?? 0);
  }

  /** Result `slot` as a whole number. */
  integer(slot: number): number {
    return ((this.words[2 * slot + 1] ?? 0) | 0) * WORD + (this.words[2 * slot] ?? 0);
  }

  #put(slot: number, argument: SchemaArgument, value: Argument): void {
    const { type } = argument;
    if (type.endsWith("?")) {
      if (value === null) this.#word(slot, 0);
      else this.#optional(slot, type.slice(0, -1), argument, value);
    } else if (type.endsWith("[]")) {
      this.#word(slot, this.#list(type.slice(0, -2), argument, value));
    } else {
      this.#plain(slot, type, argument, value);
    }
  }

  #optional(slot: number, type: string, argument: SchemaArgument, value: Argument): void {
    this.#put(slot, { ...argument, type }, value);
    const [low = 0, high = 0] = this.words.subarray(2 * slot, 2 * slot + 2);
    this.#word(slot, this.#factory.box(low, high));
  }

  #plain(slot: number, type: string, argument: SchemaArgument, value: Argument): void {
    if (type === "Tensor" && value instanceof Tensor) {
      this.#word(slot, this.#factory.duplicate(value));
    } else if (type === "float" && typeof value === "number") {
      this.#doubles[slot] = value;
    } else if (
      (type === "int" || type === "ScalarType" || type === "MemoryFormat") &&
      typeof value === "number"
    ) {
      this.#word(slot, value);
    } else if (type === "bool" && typeof value === "boolean") {
      this.#word(slot, value ? 1 : 0);
    } else if (type === "str" && typeof value === "string") {
      this.#word(slot, this.#factory.text(value));
    } else if (type === "Device" && isDevice(value)) {
      this.words[2 * slot] = value.index;
      this.words[2 * slot + 1] = value.type;
    } else {
      throw wrongArgument(argument, value);
    }
  }

  #list(type: string, argument: SchemaArgument, value: Argument): number {
    if (!Array.isArray(value)) throw wrongArgument(argument, value);
    const list = this.#factory.list(value.length);
    for (const item of value as readonly Argument[]) {
      if (type === "Tensor" && item instanceof Tensor) {
        this.#factory.push(list, this.#factory.duplicate(item));
      } else if (type === "int" && typeof item === "number") {
        if (item < 0) this.#factory.pushNegative(list, item);
        else this.#factory.push(list, item);
      } else if (type === "bool" && typeof item === "boolean") {
        this.#factory.push(list, item ? 1 : 0);
      } else {
        throw wrongArgument(argument, item);
      }
    }
    return list;
  }

  /** A whole number or an address, as two's complement. */
  #word(slot: number, value: number): void {
    this.words[2 * slot] = value;
    this.words[2 * slot + 1] = Math.floor(value / WORD);
  }
}

function isDevice(value: Argument): value is Device {
  return typeof value === "object" && value !== null && "index" in value && "type" in value;
}

/** The default of a schema, for arguments that were not given. */
function standardValue({ standard, type }: SchemaArgument): Argument {
  if (standard === undefined || standard === "None") return null;
  // The only format that is a default here; libtorch numbers it 0.
  if (standard === "contiguous_format") return 0;
  if (standard === "True" || standard === "False") return standard === "True";
  if (standard.startsWith("[")) return [];
  return type.startsWith("str") ? standard.slice(1, -1) : Number(standard);
}

function wrongArgument({ type, name }: SchemaArgument, value: Argument): IncompatibleError {
  const found = value instanceof Tensor ? "a tensor" : JSON.stringify(value);
  return new IncompatibleError("operator-argument", `${name}: expected ${type}, found ${found}`);
}
