import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../formats/common/errors.ts";
import { SingleCellDataset } from "../../src/dataset/single-cell-dataset.ts";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { writeRawArchive } from "../helpers/raw-archive.ts";

const N_VARS = 200;
/** Rows of up to 120 values: both sides of the switch from a loop to a block copy. */
const matrix = fc.array(
  fc.array(fc.tuple(fc.nat(N_VARS - 1), fc.float({ noNaN: true })), { maxLength: 120 }),
  { minLength: 1, maxLength: 12 },
);
type Cells = readonly (readonly (readonly [column: number, value: number])[])[];

let archives = 0;
function open(root: string, cells: Cells, access: "map" | "read"): SingleCellDataset {
  const indptr = Uint32Array.of(0, ...cells.map((_, i) => cells.slice(0, i + 1).flat().length));
  const values = cells.flat();
  const archive = writeRawArchive(`${root}/${archives++}`, {
    dtypes: { data: "float32", indices: "uint8", indptr: "uint32" },
    data: Float32Array.from(values, ([, value]) => value),
    indices: Uint8Array.from(values, ([column]) => column),
    indptr,
    nVars: N_VARS,
  });
  return SingleCellDataset.fromArchive(archive, { access });
}

describe("for every matrix", () => {
  for (const access of ["map", "read"] as const) {
    it(`gather, rows, slices, dense rows and blocks agree with the rows written: ${access}`, () => {
      const root = temporaryDirectory();
      fc.assert(
        fc.property(matrix, fc.array(fc.nat(), { maxLength: 20 }), (cells, picks) => {
          using dataset = open(root, cells, access);
          const order = picks.map((pick) => pick % cells.length);
          const out = dataset.createBuffers();
          dataset.gather(order, out);
          const batch = dataset.rows(order);
          const dense = dataset.rowsDense(order);
          for (const [i, row] of order.entries()) {
            const expected = cells[row] ?? [];
            const begin = batch.indptr[i] as number;
            const end = batch.indptr[i + 1] as number;
            expect(end - begin).toBe(expected.length);
            expect(out.indptr.slice(i, i + 2)).toEqual(batch.indptr.slice(i, i + 2));
            expect([...batch.data.slice(begin, end)]).toEqual(expected.map(([, value]) => value));
            expect(out.data.slice(begin, end)).toEqual(batch.data.slice(begin, end));
            expect(out.indices.slice(begin, end)).toEqual(batch.indices.slice(begin, end));
            expect([...batch.indices.slice(begin, end)]).toEqual(expected.map(([c]) => c));
            const scattered = new Float32Array(N_VARS);
            for (const [column, value] of expected) scattered[column] = value;
            expect(dense.slice(i * N_VARS, (i + 1) * N_VARS)).toEqual(scattered);
            const [column = 0] = expected[0] ?? [];
            expect(dataset.value(row, column)).toBe(scattered[column]);
          }
          const half = cells.length >> 1;
          const everything = cells.map((_, row) => row);
          expect(dataset.slice(half, cells.length)).toEqual(dataset.rows(everything.slice(half)));
          const streamed = [...dataset.rowBlocks({ blockBytes: 2_000 })].map(
            ({ rowBegin, rowEnd }) => rowEnd - rowBegin,
          );
          expect(streamed.reduce((sum, rows) => sum + rows, 0)).toBe(cells.length);
        }),
        { numRuns: 60 },
      );
    });
  }

  it("a flipped byte in the row pointers gives rows or a FormatError, never anything else", () => {
    const root = temporaryDirectory();
    fc.assert(
      fc.property(matrix, fc.nat(), fc.integer({ min: 1, max: 255 }), (cells, place, flip) => {
        const indptr = Uint32Array.of(
          0,
          ...cells.map((_, i) => cells.slice(0, i + 1).flat().length),
        );
        const bytes = new Uint8Array(indptr.buffer);
        bytes[place % bytes.length] = (bytes[place % bytes.length] as number) ^ flip;
        const values = cells.flat();
        const archive = writeRawArchive(`${root}/${archives++}`, {
          dtypes: { data: "float32", indices: "uint8", indptr: "uint32" },
          data: Float32Array.from(values, ([, value]) => value),
          indices: Uint8Array.from(values, ([column]) => column),
          indptr,
          nVars: N_VARS,
        });
        using dataset = SingleCellDataset.fromArchive(archive);
        for (let row = 0; row < cells.length; row++) {
          try {
            expect(dataset.rows([row]).data.length).toBeLessThanOrEqual(values.length);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
