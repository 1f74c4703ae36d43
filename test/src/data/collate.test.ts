import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { IncompatibleError, InvalidArgumentError } from "../../../formats/common/errors.ts";
import { padTokenIds } from "../../../src/data/pad-token-ids.ts";
import {
  getAutocastDtype,
  PRECISION_OF_DTYPE,
  PRECISIONS,
  type Precision,
} from "../../../src/data/precision.ts";
import {
  collateNeighborSparseMatrixBatch,
  collateSparseMatrixBatch,
} from "../../../src/data/sparse-collate.ts";

interface Row {
  readonly data: readonly number[];
  readonly indices: readonly number[];
}
interface Csr extends Row {
  readonly indptr: readonly number[];
  readonly shape: readonly number[];
}
interface Golden {
  readonly sparse: readonly { readonly rows: readonly Row[]; readonly expected: Csr }[];
  readonly neighbors: readonly {
    readonly pairs: readonly {
      readonly current: Row;
      readonly next: Row;
      readonly currentIndex: number;
      readonly nextIndex: number;
    }[];
    readonly expected: {
      readonly currentCells: Csr;
      readonly nextCells: Csr;
      readonly currentCellIndices: readonly number[];
      readonly nextCellIndices: readonly number[];
      readonly batchSize: number;
    };
  }[];
  readonly padding: readonly {
    readonly sequences: readonly (readonly number[])[];
    readonly options: {
      readonly padding_value?: number;
      readonly padding_len?: number;
      readonly pad_size_divisible_by?: number;
    };
    readonly expected: {
      readonly ids: readonly (readonly number[])[];
      readonly mask: readonly (readonly number[])[];
      readonly shape: readonly number[];
    };
  }[];
  readonly precision: readonly (readonly [Precision, string | { readonly error: string }])[];
  readonly precisionOf: Readonly<Record<string, Precision>>;
}

// Written by fixtures/generate/collate.py in this form.
const golden = JSON.parse(
  readFileSync(new URL("../../../fixtures/data/collate.json", import.meta.url), "utf8"),
) as Golden;

const sparseRow = ({ data, indices }: Row) => ({
  data: Float32Array.from(data),
  indices: Uint16Array.from(indices),
});
const plain = ({ data, indices, indptr, shape }: { [K in keyof Csr]: Iterable<unknown> }) => ({
  data: [...data],
  indices: [...indices],
  indptr: [...indptr],
  shape: [...shape],
});

describe("as bionemo-scdl", () => {
  test("collateSparseMatrixBatch", () => {
    expect(golden.sparse.length).toBe(4);
    for (const { rows, expected } of golden.sparse) {
      expect(plain(collateSparseMatrixBatch(rows.map(sparseRow)))).toEqual(expected);
    }
  });

  test("collateNeighborSparseMatrixBatch", () => {
    for (const { pairs, expected } of golden.neighbors) {
      const batch = collateNeighborSparseMatrixBatch(
        pairs.map((pair) => ({
          ...pair,
          // Any stored type: the result is float32.
          current: { ...sparseRow(pair.current), data: Uint16Array.from(pair.current.data) },
          next: { ...sparseRow(pair.next), data: BigUint64Array.from(pair.next.data, BigInt) },
        })),
      );
      expect(batch.currentCells.data).toBeInstanceOf(Float32Array);
      expect({
        ...batch,
        currentCells: plain(batch.currentCells),
        nextCells: plain(batch.nextCells),
      }).toEqual(expected);
    }
  });
});

test("with a fixed width every batch has one shape; a column beyond it names its row", () => {
  for (const { rows, expected } of golden.sparse) {
    const { shape } = collateSparseMatrixBatch(rows.map(sparseRow), { width: 300 });
    expect(shape).toEqual([expected.shape[0], 300]);
  }
  const rows = [[], [4], [2, 9], [1]].map((indices) => ({
    data: Uint8Array.from(indices),
    indices: Uint8Array.from(indices),
  }));
  expect(() => collateSparseMatrixBatch(rows, { width: 9 })).toThrow(
    "row 2 of the batch has column 9, expected below the width of 9",
  );
});

test("no rows, mixed value types and rows of two lengths are refused", () => {
  expect(() => collateSparseMatrixBatch([])).toThrow(InvalidArgumentError);
  const one = { data: Float32Array.of(1), indices: Uint8Array.of(0) };
  const two = { data: Uint8Array.of(1), indices: Uint8Array.of(0) };
  expect(() => collateSparseMatrixBatch<Float32Array | Uint8Array>([one, two])).toThrow(
    IncompatibleError,
  );
  expect(() => collateSparseMatrixBatch([one, { ...one, indices: Uint8Array.of(0, 1) }])).toThrow(
    "row 1 of the batch has 1 values and 2 columns",
  );
});

describe("as bionemo-core", () => {
  test("padTokenIds", () => {
    for (const { sequences, options, expected } of golden.padding) {
      const { ids, mask, shape } = padTokenIds(sequences, {
        paddingValue: options.padding_value ?? 0,
        padSizeDivisibleBy: options.pad_size_divisible_by ?? 1,
        ...(options.padding_len === undefined ? {} : { paddingLength: options.padding_len }),
      });
      expect(shape).toEqual(expected.shape);
      expect([...ids]).toEqual(expected.ids.flat());
      expect([...mask]).toEqual(expected.mask.flat());
    }
  });

  test("getAutocastDtype and the names of precisions", () => {
    for (const [precision, expected] of golden.precision) {
      if (typeof expected === "string") {
        expect(getAutocastDtype(precision)).toBe(expected);
        expect(PRECISIONS).toContain(precision);
      } else {
        expect(() => getAutocastDtype(precision)).toThrow(InvalidArgumentError);
        expect(() => getAutocastDtype(precision)).toThrow("Unsupported precision: ");
      }
    }
    expect(PRECISION_OF_DTYPE).toEqual(golden.precisionOf);
  });
});

test("a sequence longer than the padded length is refused; the original returns two shapes", () => {
  const long = () => padTokenIds([[1], [1, 2, 3]], { paddingLength: 2 });
  expect(long).toThrow("sequence 1 has 3 tokens, more than the padded length of 2");
});

test.each([
  [[], {}, "at least one sequence"],
  [[[1.5]], {}, "token 0 of sequence 0 is 1.5"],
  [[[1], [2, 2 ** 31]], {}, "token 1 of sequence 1 is 2147483648"],
  [[[1]], { padSizeDivisibleBy: 0 }, "padSizeDivisibleBy is 0"],
  [[[1]], { paddingLength: -1 }, "paddingLength is -1"],
])("padTokenIds(%j, %j) is refused", (sequences, options, message) => {
  expect(() => padTokenIds(sequences, options)).toThrow(InvalidArgumentError);
  expect(() => padTokenIds(sequences, options)).toThrow(message);
});
