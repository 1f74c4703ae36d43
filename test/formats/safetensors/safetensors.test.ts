import { describe, expect, test } from "vitest";
import {
  FormatError,
  InvalidArgumentError,
  NotFoundError,
  UnsupportedFeatureError,
} from "../../../formats/common/errors.ts";
import { float32Values, floatTensor } from "../../../formats/safetensors/float-values.ts";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import { encodeSafetensors } from "../../../formats/safetensors/write-safetensors.ts";
import {
  bytesOf,
  loadSafetensorsGolden,
  openBytes,
  tensorsOf,
} from "../../helpers/safetensors-files.ts";

const golden = loadSafetensorsGolden();
const whole = bytesOf(golden.files["every type"]?.hex ?? "");
const f32 = (...values: number[]): StoredTensor => ({
  dtype: "F32",
  shape: [values.length],
  data: Float32Array.from(values),
});

describe("files of Python's safetensors", () => {
  test.each(Object.entries(golden.files))("%s: read, and written byte for byte", (_name, file) => {
    const tensors = tensorsOf(file.tensors);
    using opened = openBytes(bytesOf(file.hex));
    expect(opened.readAll()).toEqual(
      new Map(opened.tensors.map(({ name }) => [name, tensors.get(name)])),
    );
    expect(opened.tensors).toHaveLength(tensors.size);
    expect({ ...opened.metadata }).toEqual(file.metadata ?? {});
    const bytes = encodeSafetensors(tensors, { metadata: file.metadata ?? {} });
    expect(Buffer.from(bytes).toString("hex")).toBe(file.hex);
  });

  test("the metadata is { format: pt } unless asked otherwise", () => {
    using opened = openBytes(encodeSafetensors(new Map([["a", f32(1)]])));
    expect({ ...opened.metadata }).toEqual({ format: "pt" });
  });

  test("the order of the map does not change the bytes", () => {
    const tensors = [...tensorsOf(golden.files["every type"]?.tensors ?? {})];
    expect(encodeSafetensors(new Map(tensors.reverse()))).toEqual(whole);
  });

  test("types without an array are listed, their bytes are read, their numbers are refused", () => {
    using opened = openBytes(bytesOf(golden.unread.hex));
    for (const [name, [dtype, shape, hex]] of Object.entries(golden.unread.tensors)) {
      expect(opened.entry(name)).toMatchObject({ dtype, shape });
      expect(Buffer.from(opened.readBytes(name)).toString("hex")).toBe(hex);
    }
    expect(() => opened.read("c")).toThrow(UnsupportedFeatureError);
    expect(() => opened.readFloat32("f")).toThrow("F8_E4M3");
    expect(opened.read("x").dtype).toBe("F32");
  });

  test.each(Object.entries(golden.accepted))("taken there and here: %s", (_name, hex) => {
    using opened = openBytes(bytesOf(hex));
    for (const { name, begin, end } of opened.tensors) {
      expect(opened.readBytes(name)).toEqual(new Uint8Array(end - begin));
    }
  });

  test.each(Object.entries(golden.refused))("refused there and here: %s", (_name, hex) => {
    expect(() => openBytes(bytesOf(hex))).toThrow(FormatError);
  });
});

test("a name given twice, of which Python takes the last, is refused", () => {
  const one = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}';
  const escaped = one.replace('"a"', '"\\u0061"');
  for (const json of [`{${one},${one}}`, `{${one},${escaped}}`]) {
    const bytes = new Uint8Array(8 + json.length + 8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
    bytes.set(Buffer.from(json), 8);
    expect(() => openBytes(bytes)).toThrow("a name is given twice");
  }
});

test("a name with quotes and braces in it is one name", () => {
  const name = '"{:\\"}[,\\\\';
  using opened = openBytes(encodeSafetensors(new Map([[name, f32(1, 2)]])));
  expect(opened.read(name)).toEqual(f32(1, 2));
});

test("a file cut at any byte, or with one byte more, is a FormatError", () => {
  for (let length = 0; length < whole.length; length++) {
    expect(() => openBytes(whole.slice(0, length)), `${length}`).toThrow(FormatError);
  }
  const longer = new Uint8Array(whole.length + 1);
  longer.set(whole);
  expect(() => openBytes(longer)).toThrow("bytes by the header");
});

test("errors name the tensor, what was expected and what was found", () => {
  const messageOf = (key: string): string => {
    try {
      openBytes(bytesOf(golden.refused[key] ?? ""));
    } catch (error) {
      return String(error);
    }
    return "";
  };
  expect(messageOf("a hole")).toContain(
    'a.safetensors: the bytes of "a" leave a hole: expected data_offsets from 0, found 4',
  );
  expect(messageOf("a dtype of no kind")).toContain('tensor "a": expected a dtype of U64 I64');
  expect(messageOf("shape below zero")).toContain("found shape [-2]");
  expect(messageOf("too few bytes")).toContain("expected 77 bytes by the header, found 73");
});

test("a tensor that is not there names those that are", () => {
  using opened = openBytes(encodeSafetensors(new Map([["a", f32(1)]])));
  expect(() => opened.read("b")).toThrow(NotFoundError);
  expect(() => opened.read("b")).toThrow("there is: a");
});

describe("floats", () => {
  const values = new Float32Array(bytesOf(golden.conversions.F32).buffer);

  test.each(["F16", "BF16"] as const)("float32 to %s and back, as torch", (dtype) => {
    const tensor = floatTensor(dtype, [values.length], values);
    const bits = new Uint16Array(bytesOf(golden.conversions[dtype]).buffer);
    expect(tensor.data).toEqual(bits);
    using opened = openBytes(encodeSafetensors(new Map([["x", tensor]])));
    expect(opened.readFloat32("x")).toEqual(float32Values(tensor));
    expect(floatTensor(dtype, [values.length], float32Values(tensor)).data).toEqual(bits);
  });

  test("NaN stays NaN", () => {
    for (const dtype of ["F16", "BF16", "F32", "F64"] as const) {
      expect([...float32Values(floatTensor(dtype, [1], Float32Array.of(Number.NaN)))]).toEqual([
        NaN,
      ]);
    }
  });

  test("a read may go into memory of the caller, at the front", () => {
    const tensors = new Map([["x", floatTensor("F64", [3], Float32Array.of(1, 2, 3))]]);
    using opened = openBytes(encodeSafetensors(tensors));
    const target = new Float32Array(5);
    expect(opened.readFloat32("x", target).buffer).toBe(target.buffer);
    expect([...target]).toEqual([1, 2, 3, 0, 0]);
    expect(() => opened.readFloat32("x", new Float32Array(2))).toThrow(RangeError);
  });

  test("integers are no floats", () => {
    const tensors = new Map([["i", { dtype: "I32", shape: [1], data: Int32Array.of(1) } as const]]);
    using opened = openBytes(encodeSafetensors(tensors));
    expect(() => opened.readFloat32("i")).toThrow("is I32, which cannot be read as float32");
  });
});

test.each([
  ["shape [3] holds 3 elements, found 2", { dtype: "F32", shape: [3], data: new Float32Array(2) }],
  ["expected Float32Array for F32", { dtype: "F32", shape: [2], data: new Float64Array(2) }],
  ["shape [-1] is none", { dtype: "F32", shape: [-1], data: new Float32Array(1) }],
  ["dtype C64 cannot be written", { dtype: "C64", shape: [1], data: new Float64Array(1) }],
])("is not written: %s", (message, tensor) => {
  // What a caller without types could hand over.
  const tensors = new Map([["a", tensor as unknown as StoredTensor]]);
  expect(() => encodeSafetensors(tensors)).toThrow(InvalidArgumentError);
  expect(() => encodeSafetensors(tensors)).toThrow(message);
});

test.each(["__metadata__", "\ud800"])("no tensor may be called %j", (name) => {
  expect(() => encodeSafetensors(new Map([[name, f32(1)]]))).toThrow(InvalidArgumentError);
});
