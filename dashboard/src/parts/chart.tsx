// SPDX-License-Identifier: Apache-2.0
// uPlot in the page's colours, drawn anew when they or the data change. A table with the same numbers is beside every
// chart for those who cannot see it.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { number } from "../format.ts";

export interface ChartSeries {
  label: string;
  values: (number | null | undefined)[];
  points?: boolean;  // points alone, no line
  dashed?: boolean;
}

const COLOURS = 8;  // --series-0 to --series-7

interface Props {
  label: string;
  x: number[];
  xLabel: string;
  yLabel: string;
  series: ChartSeries[];
  logarithmic?: boolean;
  height?: number;
  onPick?: (index: number) => void;
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function tick(value: number): string {
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential() : String(Number(value.toPrecision(4)));
}

export function Chart({ label, x, xLabel, yLabel, series, logarithmic, height = 260, onPick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    let plot: uPlot | undefined;
    const axis = (text: string): uPlot.Axis => ({
      label: text, stroke: colour("--soft"), labelFont: "13px system-ui", font: "12px system-ui",
      grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 },
      values: (_plot, values) => values.map((value) => (value === null ? "" : tick(value))),
      size: 62,
    });
    const draw = () => {
      plot?.destroy();
      plot = new uPlot({
        width: Math.max(240, element.clientWidth), height,
        scales: { x: { time: false }, y: logarithmic ? { distr: 3 } : {} },
        axes: [{ ...axis(xLabel), size: 44 }, axis(yLabel)],
        legend: { show: series.length > 1 },
        cursor: { drag: { x: false, y: false } },
        series: [{ label: xLabel }, ...series.map((one, i): uPlot.Series => ({
          label: one.label,
          stroke: colour(`--series-${i % COLOURS}`),
          width: 2,
          spanGaps: true,
          ...(one.dashed ? { dash: [6, 4] } : {}),
          ...(one.points ? { paths: () => null, points: { show: true, size: 9, fill: colour(`--series-${i % COLOURS}`) } } : {}),
          value: (_plot, value) => (value === null || value === undefined ? "" : number(value)),
        }))],
      }, [x, ...series.map((one) => one.values)] as uPlot.AlignedData, element);
      if (onPick) {
        plot.over.addEventListener("click", () => {
          const index = plot?.cursor.idx;
          if (index !== null && index !== undefined) onPick(index);
        });
      }
    };
    draw();
    const resized = new ResizeObserver(() => plot?.setSize({ width: Math.max(240, element.clientWidth), height }));
    resized.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => { resized.disconnect(); dark.removeEventListener("change", draw); plot?.destroy(); };
  }, [x, series, logarithmic, height]);
  return <div class="chart" ref={box} role="img" aria-label={label} />;
}
