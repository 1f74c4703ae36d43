import * as arrow from "apache-arrow";
import { describe, expect, it } from "vitest";
import { type InputSummary, planConversion } from "../../../src/convert/plan.ts";

const schemaOf = (...names: string[]) =>
  new arrow.Schema(names.map((name) => new arrow.Field(name, new arrow.Utf8(), true)));

function input(path: string, more: Partial<InputSummary> = {}): InputSummary {
  return {
    path,
    nObs: 10,
    nVars: 100,
    nnz: 50,
    dtype: "float32",
    obsSchema: schemaOf("donor"),
    hasVarOfPrevious: false,
    neighbors: null,
    ...more,
  };
}

const plan = (...inputs: InputSummary[]) =>
  planConversion(inputs, { dataDtype: "float32", unify: (_, b) => b });

describe("the plan of a conversion", () => {
  it("gives the smallest types: columns by the widest file, row pointers by the total", () => {
    const narrow = plan(input("a", { nVars: 256, nnz: 255 }));
    expect(narrow).toMatchObject({ colPtrDtype: "uint8", rowPtrDtype: "uint8", nnz: 255 });
    const wide = plan(input("a", { nVars: 256, nnz: 255 }), input("b", { nVars: 257, nnz: 1 }));
    expect(wide).toMatchObject({ colPtrDtype: "uint16", rowPtrDtype: "uint16", nnz: 256 });
    expect(plan(input("a", { nVars: 65_537, nnz: 2 ** 32 }))).toMatchObject({
      colPtrDtype: "uint32",
      rowPtrDtype: "uint64",
    });
  });

  it("places every file behind the ones before it", () => {
    const { files } = plan(input("a"), input("b", { nObs: 4, nnz: 7 }), input("c"));
    expect(files.map(({ rowBegin, elementBegin }) => [rowBegin, elementBegin])).toEqual([
      [0, 0],
      [10, 50],
      [14, 57],
    ]);
  });

  it("does not know offsets behind a dense matrix, nor the type of the row pointers", () => {
    const { files, nnz, rowPtrDtype } = plan(input("a"), input("b", { nnz: null }), input("c"));
    expect(files.map(({ elementBegin }) => elementBegin)).toEqual([0, 50, null]);
    expect([nnz, rowPtrDtype]).toEqual([null, null]);
  });

  it("merges consecutive equal var frames under the first label", () => {
    const { varBlocks } = plan(
      input("a"),
      input("b", { hasVarOfPrevious: true }),
      input("c"),
      input("d", { hasVarOfPrevious: true }),
    );
    expect(varBlocks).toEqual([
      { label: "a", nRows: 20, file: 0 },
      { label: "c", nRows: 20, file: 2 },
    ]);
  });

  it("joins consecutive obs frames with the same column names in any order", () => {
    const { obsBlocks } = plan(
      input("a", { obsSchema: schemaOf("x", "y") }),
      input("b", { obsSchema: schemaOf("y", "x") }),
      input("c", { obsSchema: schemaOf("x") }),
    );
    expect(obsBlocks.map(({ label, nRows, files }) => [label, nRows, files])).toEqual([
      ["a", 20, [0, 1]],
      ["c", 10, [2]],
    ]);
    expect(obsBlocks[0]?.schema.fields.map(({ name }) => name)).toEqual(["y", "x"]);
  });

  it("gives a file without rows no block, unless there is nothing else", () => {
    const { varBlocks, obsBlocks } = plan(
      input("a", { nObs: 0, nnz: 0 }),
      input("b"),
      input("c", { nObs: 0, nnz: 0 }),
      input("d", { hasVarOfPrevious: true }),
    );
    expect(varBlocks).toEqual([{ label: "b", nRows: 20, file: 1 }]);
    expect(obsBlocks.map(({ files }) => files)).toEqual([[1, 3]]);
    expect(plan(input("a", { nObs: 0, nnz: 0 })).varBlocks).toEqual([
      { label: "a", nRows: 0, file: 0 },
    ]);
  });
});
