import { describe, expect, it } from "vitest";
import { CountModel } from "../../../src/simulate/count-model.ts";
import { CellRandom } from "../../../src/simulate/random.ts";

function drawAll(model: CountModel, cells: number) {
  const counts = new Uint32Array(model.nVars);
  const mask = new Uint32Array((model.nVars + 31) >>> 5);
  const rows: Map<number, number>[] = [];
  for (let cell = 0; cell < cells; cell++) {
    model.draw(cell, counts, mask);
    const row = new Map<number, number>();
    for (let gene = 0; gene < model.nVars; gene++) {
      const marked = (((mask[gene >>> 5] ?? 0) >>> (gene & 31)) & 1) === 1;
      if (marked !== (counts[gene] ?? 0) > 0)
        throw new Error(`gene ${gene}: mark and count differ`);
      if (marked) row.set(gene, counts[gene] ?? 0);
    }
    counts.fill(0);
    mask.fill(0);
    rows.push(row);
  }
  return rows;
}

describe("the count model", () => {
  it("stores about the asked number of values per cell", () => {
    const rows = drawAll(new CountModel({ nVars: 2000, seed: 3, nnzPerCell: 150 }), 400);
    const mean = rows.reduce((sum, row) => sum + row.size, 0) / rows.length;
    expect(mean).toBeGreaterThan(135);
    expect(mean).toBeLessThan(165);
  });

  it("gives a cell the same counts alone or after others", () => {
    const options = { nVars: 500, seed: 11, nnzPerCell: 60 };
    const all = drawAll(new CountModel(options), 5);
    const model = new CountModel(options);
    const counts = new Uint32Array(500);
    model.draw(4, counts, new Uint32Array(16));
    expect(
      [...counts].map((count, gene) => [gene, count]).filter(([, count]) => count !== 0),
    ).toEqual([...(all[4] ?? [])].sort(([a], [b]) => a - b));
  });

  it("draws over-dispersed counts: the variance of expressed genes is above their mean", () => {
    const cells = 600;
    const rows = drawAll(new CountModel({ nVars: 300, seed: 5, nnzPerCell: 80 }), cells);
    let over = 0;
    let expressed = 0;
    for (let gene = 0; gene < 300; gene++) {
      const values = rows.map((row) => row.get(gene) ?? 0);
      const mean = values.reduce((a, b) => a + b, 0) / cells;
      if (mean < 0.5) continue;
      expressed++;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (cells - 1);
      if (variance > mean) over++;
    }
    expect(expressed).toBeGreaterThan(20);
    expect(over).toBeGreaterThan(0.95 * expressed);
  });
});

describe("the random stream of a cell", () => {
  it("is uniform in (0, 1) and differs between streams and seeds", () => {
    const random = new CellRandom();
    random.seek(1, 2);
    const first = Array.from({ length: 4000 }, () => random.uniform());
    expect(Math.min(...first)).toBeGreaterThan(0);
    expect(Math.max(...first)).toBeLessThan(1);
    expect(first.reduce((a, b) => a + b, 0) / 4000).toBeCloseTo(0.5, 1);
    random.seek(1, 3);
    expect(random.uniform()).not.toBe(first[0]);
    random.seek(2, 2);
    expect(random.uniform()).not.toBe(first[0]);
    random.seek(1, 2);
    expect(random.uniform()).toBe(first[0]);
  });
});
