import { readFileSync } from "node:fs";
import * as arrow from "apache-arrow";
import { expect, test } from "vitest";
import { sharedDictionary, storedColumn, unifiedType } from "../../../formats/parquet/columns.ts";

const golden: Record<string, Record<string, string>> = JSON.parse(
  readFileSync(new URL("../../../fixtures/parquet/joined-types.json", import.meta.url), "utf8"),
);
const TYPES: Record<string, arrow.DataType> = {
  bool: new arrow.Bool(),
  int8: new arrow.Int8(),
  int16: new arrow.Int16(),
  int32: new arrow.Int32(),
  int64: new arrow.Int64(),
  uint8: new arrow.Uint8(),
  uint16: new arrow.Uint16(),
  uint32: new arrow.Uint32(),
  uint64: new arrow.Uint64(),
  halffloat: new arrow.Float16(),
  float: new arrow.Float32(),
  double: new arrow.Float64(),
  string: new arrow.Utf8(),
  null: new arrow.Null(),
};
const typeOf = (name: string) => TYPES[name] ?? new arrow.Null();

test("joined columns have the type that numpy and pyarrow give them", () => {
  for (const [a, row] of Object.entries(golden)) {
    for (const [b, expected] of Object.entries(row)) {
      const join = () => unifiedType(typeOf(a), typeOf(b), "n_counts");
      const pair = `${a} and ${b}`;
      if (expected === "ArrowTypeError") {
        expect(join, pair).toThrow(/column "n_counts" is .* in one data set and .* in another/);
      } else {
        // pyarrow looks at the values here; a type cannot.
        const wanted = pair.includes("uint64") && pair.includes("null") ? "uint64" : expected;
        expect(String(join()), pair).toBe(String(typeOf(wanted)));
      }
    }
  }
});

test("categories count as their plain values", () => {
  const category = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8());
  expect(String(unifiedType(category, new arrow.Utf8(), "x"))).toBe("Utf8");
  const numbers = new arrow.Dictionary(new arrow.Int64(), new arrow.Int8());
  expect(String(unifiedType(numbers, new arrow.Float32(), "x"))).toBe("Float64");
});

function dataOf(vector: arrow.Vector): arrow.Data {
  const data = vector.data[0];
  if (data === undefined) throw new TypeError("a vector of one batch");
  return data;
}
const values = (data: arrow.Data) => Array.from(new arrow.Vector([data]));

test("NaN becomes null, in slices and beside nulls too", () => {
  for (const type of [new arrow.Float32(), new arrow.Float64(), new arrow.Float16()]) {
    const column = arrow.vectorFromArray([9, 1.5, Number.NaN, null, -2], type).slice(1);
    expect(values(storedColumn(dataOf(column), type))).toEqual([1.5, null, null, -2]);
  }
});

test("a column without NaN is not copied", () => {
  const data = dataOf(arrow.vectorFromArray([1, 2], new arrow.Float32()));
  expect(storedColumn(data, new arrow.Float32())).toBe(data);
});

test("numbers, booleans and numeric categories widen", () => {
  const stored = (vector: arrow.Vector, type: arrow.DataType) =>
    values(storedColumn(dataOf(vector), type));
  expect(stored(arrow.vectorFromArray([1, null], new arrow.Int8()), new arrow.Int64())).toEqual([
    1n,
    null,
  ]);
  expect(stored(arrow.vectorFromArray([true, null]), new arrow.Float32())).toEqual([1, null]);
  const big = arrow.vectorFromArray([2n ** 40n, null], new arrow.Int64());
  expect(stored(big, new arrow.Float64())).toEqual([2 ** 40, null]);
  const codes = new arrow.Dictionary(new arrow.Int32(), new arrow.Int8());
  const category = arrow.vectorFromArray([7, null, 7], codes);
  expect(stored(category, new arrow.Int32())).toEqual([7, null, 7]);
});

test("text columns of several batches share one dictionary, or none", () => {
  const category = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8());
  const one = dataOf(arrow.vectorFromArray(["a", "b", null, "a"], category).slice(1));
  const two = dataOf(arrow.vectorFromArray(["c", "b"], category));
  const shared = sharedDictionary([one, two]);
  expect(shared.map(values)).toEqual([
    ["b", null, "a"],
    ["c", "b"],
  ]);
  expect(shared[0]?.dictionary).toBe(shared[1]?.dictionary);
  const plain = dataOf(arrow.vectorFromArray(["x"], new arrow.Utf8()));
  const mixed = sharedDictionary([one, plain]);
  expect(mixed.map((data) => String(data.type))).toEqual(["Utf8", "Utf8"]);
  expect(mixed.map(values)).toEqual([["b", null, "a"], ["x"]]);
});

test("columns no table can hold are refused by type", () => {
  const list = new arrow.List(new arrow.Field("item", new arrow.Int8()));
  expect(() => unifiedType(list, list, "x")).toThrow(
    /column "x": a feature index cannot store type List<Int8>/,
  );
});
