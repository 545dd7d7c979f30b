// SPDX-License-Identifier: Apache-2.0
// Which worker executed what, and when: a row for each worker, a bar for each task. Drawn on a canvas, as runs have
// thousands of tasks.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Task, TaskState } from "../gen/lwqat/v1/run_pb.ts";
import { duration, millis } from "../format.ts";

export interface Bar {
  worker: string;
  start: number;  // milliseconds
  end: number;
  kind: string;
  title: string;
  executing: boolean;
}

const ROW_PX = 24;
const HEAD_PX = 22;
const NAME_PX = 110;
const COLOURS = 8;  // --series-0 to --series-7

// Tasks that were executed, by worker and start. Results that were found done have no bar.
export function barsOf(tasks: readonly Task[], now: number): Bar[] {
  const bars: Bar[] = [];
  for (const task of tasks) {
    const start = millis(task.startedAt);
    const executing = task.state === TaskState.LEASED;
    const end = executing ? now : millis(task.finishedAt);
    if (start === undefined || end === undefined || task.worker === "" || task.fromCache) continue;
    bars.push({ worker: task.worker, start, end, kind: task.kind, title: task.title, executing });
  }
  return bars.sort((a, b) => (a.worker < b.worker ? -1 : a.worker > b.worker ? 1 : a.start - b.start));
}

export function Timeline({ tasks, now }: { tasks: readonly Task[]; now: number }) {
  const bars = barsOf(tasks, now);
  if (bars.length === 0) return <p class="empty">No worker has executed a task of this run yet.</p>;
  return <Bars bars={bars} />;
}

function Bars({ bars }: { bars: Bar[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(600);
  const [shown, setShown] = useState("");
  const workers = [...new Set(bars.map((bar) => bar.worker))];
  const kinds = [...new Set(bars.map((bar) => bar.kind))].sort();
  const from = Math.min(...bars.map((bar) => bar.start));
  const to = Math.max(...bars.map((bar) => bar.end), from + 1000);
  const height = HEAD_PX + workers.length * ROW_PX;
  const place = (ms: number) => NAME_PX + ((ms - from) / (to - from)) * (width - NAME_PX - 8);
  useEffect(() => {
    const around = canvas.current?.parentElement;
    if (!around) return;
    const observer = new ResizeObserver(() => setWidth(around.clientWidth));
    observer.observe(around);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const ratio = devicePixelRatio || 1;
    element.width = width * ratio;
    element.height = height * ratio;
    const draw = element.getContext("2d")!;
    draw.scale(ratio, ratio);
    draw.clearRect(0, 0, width, height);
    draw.font = "12px system-ui";
    draw.fillStyle = colour("--soft");
    draw.textBaseline = "middle";
    for (let i = 0; i <= 4; ++i) {
      const at = from + ((to - from) * i) / 4;
      draw.textAlign = i === 0 ? "left" : i === 4 ? "right" : "center";
      draw.fillText(duration((at - from) / 1000) || "0 s", place(at), HEAD_PX / 2);
    }
    draw.textAlign = "left";
    workers.forEach((worker, row) => {
      draw.fillStyle = colour("--soft");
      draw.fillText(worker.length > 16 ? worker.slice(0, 15) + "…" : worker, 2, HEAD_PX + row * ROW_PX + ROW_PX / 2);
    });
    for (const bar of bars) {
      const row = workers.indexOf(bar.worker);
      draw.fillStyle = colour(`--series-${kinds.indexOf(bar.kind) % COLOURS}`);
      draw.globalAlpha = bar.executing ? 0.55 : 1;
      draw.fillRect(place(bar.start), HEAD_PX + row * ROW_PX + 3, Math.max(1.5, place(bar.end) - place(bar.start) - 0.5), ROW_PX - 6);
    }
    draw.globalAlpha = 1;
  });
  const onMove = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const worker = workers[Math.floor((event.clientY - box.top - HEAD_PX) / ROW_PX)];
    const at = event.clientX - box.left;
    const bar = bars.find((one) => one.worker === worker && place(one.start) <= at + 2 && at - 2 <= place(one.end));
    setShown(bar ? `${bar.title}: ${duration((bar.end - bar.start) / 1000)}${bar.executing ? " so far" : ""}, by ${bar.worker}` : "");
  };
  return (
    <div class="timeline">
      <p class="keys">{kinds.map((kind, i) => (
        <span key={kind}><span class="swatch" style={{ background: `var(--series-${i % COLOURS})` }} aria-hidden="true" />{kind}</span>))}</p>
      <div><canvas ref={canvas} style={{ width: "100%", height: `${height}px` }} onMouseMove={onMove} onMouseLeave={() => setShown("")}
        role="img" aria-label={`${bars.length} tasks on ${workers.length} workers over ${duration((to - from) / 1000)}; the table of tasks below has them all`} /></div>
      <p class="shown" aria-live="polite">{shown || "\u00a0"}</p>
    </div>
  );
}
