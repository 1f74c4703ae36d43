import { Packr } from "msgpackr";
import { InvalidArgumentError } from "../common/errors.ts";
import { MAX_DEPTH } from "./decode.ts";

/** Without records, which only msgpackr itself reads. */
const PACKR = new Packr({ useRecords: false, variableMapSize: true });

/**
 * Encodes what Python's `msgpack.unpackb` reads as the same value: the shortest form of integers,
 * float64 for other numbers, bin for byte arrays. Integral numbers are written as integers, -0 as 0
 * (as JSON does). Maps keep their order.
 * @throws InvalidArgumentError for what msgpack cannot say: functions, undefined, cycles, bigint
 *   beyond 64 bits, typed arrays other than bytes, extensions.
 */
export function encodeMsgpack(value: unknown): Uint8Array<ArrayBuffer> {
  // A copy: what pack returns shares its memory with other small buffers.
  return new Uint8Array(PACKR.pack(packable(value, 0)));
}

/** The value with integers beyond 32 bits as bigint, which would be written as floats otherwise. */
function packable(value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw refused(value, `more than ${MAX_DEPTH} levels, or a cycle`);
  switch (typeof value) {
    case "boolean":
    case "string":
      return value;
    case "number":
      return Number.isSafeInteger(value) && (value > 0xffff_ffff || value < -0x8000_0000)
        ? BigInt(value)
        : value;
    case "bigint":
      return packableBigint(value);
    case "object":
      return value === null ? null : packableObject(value, depth);
    default:
      throw refused(value, typeof value);
  }
}

function packableBigint(value: bigint): number | bigint {
  if (value >= 2n ** 64n || value < -(2n ** 63n)) throw refused(value, "an integer beyond 64 bits");
  return value >= -0x8000_0000n && value <= 0xffff_ffffn ? Number(value) : value;
}

function packableObject(value: object, depth: number): unknown {
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((item) => packable(item, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null;
  if (!isPlain && !(value instanceof Map)) throw refused(value, `a ${value.constructor.name}`);
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return new Map(
    entries.map(([key, item]) => [packable(key, depth + 1), packable(item, depth + 1)]),
  );
}
function refused(value: unknown, found: string): InvalidArgumentError {
  return new InvalidArgumentError(
    "value",
    value,
    `expected null, boolean, number, text, bytes, array, object or Map for msgpack, found ${found}`,
  );
}
