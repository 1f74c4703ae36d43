import { aligned, type Curve, thinned } from "./curves.ts";

/** One chart, as the page's script takes it. */
export interface Chart {
  readonly title: string;
  readonly names: readonly string[];
  /** Steps, then the values of each name; null for a gap. */
  readonly data: readonly (readonly (number | null)[])[];
}

/** Points of a curve that a screen can show. */
const MOST_POINTS = 2000;

/** Names that share a chart; every other metric of a validation has one of its own. */
const GROUPS: readonly (readonly [title: string, names: readonly string[]])[] = [
  ["Loss", ["reduced_train_loss", "val_loss"]],
  ["Learning rate", ["lr"]],
  ["Gradient norm", ["grad_norm"]],
  ["Factor on the loss", ["loss_scale"]],
  ["Tokens per second", ["tokens_per_second", "padded_tokens_per_second"]],
  ["Milliseconds of a step", ["step_ms", "data_ms"]],
  ["Memory in MiB", ["rss_mb", "peak_rss_mb"]],
];

/** The charts that the metrics of a run give. */
export function chartsOf(curves: ReadonlyMap<string, Curve>): readonly Chart[] {
  const grouped = new Set(GROUPS.flatMap(([, names]) => names));
  const others = [...curves.keys()].filter((name) => name.startsWith("val_") && !grouped.has(name));
  const groups = [...GROUPS, ...others.map((name) => [name, [name]] as const)];
  return groups.flatMap(([title, names]) => {
    const there = names.filter((name) => curves.has(name));
    if (there.length === 0) return [];
    const points = there.map((name) => {
      return thinned(curves.get(name) ?? { steps: [], values: [] }, MOST_POINTS);
    });
    const data = aligned(points).map((column) => column.map((value) => value ?? null));
    return [{ title, names: there, data }];
  });
}

/** Draws the charts: runs in the page, with uPlot and what {@link chartsOf} gave. */
export const DRAW = `
const charts = JSON.parse(document.getElementById("charts").textContent);
const colors = ["#2563eb", "#dc2626", "#059669", "#9333ea"];
const place = document.getElementById("plots");
for (const { title, names, data } of charts) {
  const box = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  box.append(caption);
  place.append(box);
  const size = () => ({ width: Math.max(280, box.clientWidth), height: 260 });
  const number = (_, value) => (value == null ? "" : String(Number(value.toPrecision(5))));
  const series = names.map((name, at) => ({
    label: name,
    stroke: colors[at % colors.length],
    spanGaps: true,
    value: number,
    points: { show: data[0].length <= 60 || data[at + 1].filter((v) => v !== null).length <= 60 },
  }));
  const plot = new uPlot(
    {
      ...size(),
      scales: { x: { time: false } },
      axes: [{ label: "step" }, { size: 70 }],
      series: [{ label: "step" }, ...series],
    },
    data,
    box,
  );
  new ResizeObserver(() => plot.setSize(size())).observe(box);
}
`;
