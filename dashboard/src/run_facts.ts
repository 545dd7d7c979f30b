// SPDX-License-Identifier: Apache-2.0
// What the pages say of a run, computed from what the API sends. Pure.
import { type Measured, type Run, RunState, type Task, TaskState } from "./gen/lwqat/v1/run_pb.ts";
import { millis } from "./format.ts";

export const STATE_WORDS: Record<RunState, string> = {
  [RunState.UNSPECIFIED]: "unknown",
  [RunState.PENDING]: "pending",
  [RunState.RUNNING]: "running",
  [RunState.SUCCEEDED]: "succeeded",
  [RunState.FAILED]: "failed",
  [RunState.CANCELLED]: "cancelled",
  [RunState.STOPPED]: "stopped",
};

export const TASK_WORDS: Record<TaskState, string> = {
  [TaskState.UNSPECIFIED]: "unknown",
  [TaskState.BLOCKED]: "blocked",
  [TaskState.READY]: "ready",
  [TaskState.LEASED]: "executing",
  [TaskState.SUCCEEDED]: "succeeded",
  [TaskState.FAILED]: "failed",
  [TaskState.CANCELLED]: "cancelled",
};

export function hasEnded(run: Run): boolean {
  return run.state === RunState.SUCCEEDED || run.state === RunState.FAILED || run.state === RunState.CANCELLED;
}

export function nameOf(run: Run): string {
  return run.spec?.name || run.id;
}

// "block_ap w2 g64", "rtn w4 per row".
export function methodOf(run: Run): string {
  const recipe = run.plan?.recipe;
  if (recipe?.method === undefined) return "";
  if (recipe.method === "none" || recipe.method === "noop" || recipe.method === "sensitivity") return recipe.method;
  const group = recipe.groupSize === -1n ? "per row" : `g${recipe.groupSize}`;
  return `${recipe.method} w${recipe.wbits} ${group}`;
}

// Kinds of tasks that make a block's checkpoint.
const QUANTIZING = new Set(["train_block", "rtn_block", "gptq_block", "fit_rounding", "train_scales"]);

export interface BlockFacts {
  layer: number;
  bits: number | undefined;
  groupSize: number | undefined;
  sensitivity: number | undefined;
  state: "waiting" | "training" | "done" | "failed";
  tasks: Task[];
}

// By layer. A block of a unit is trained by the task of the unit's first block.
export function blocksOf(run: Run): BlockFacts[] {
  const byBlock = new Map<number, Task[]>();
  for (const task of run.tasks) {
    if (task === undefined || !QUANTIZING.has(task.kind) || task.block < 0) continue;
    byBlock.set(task.block, [...(byBlock.get(task.block) ?? []), task]);
  }
  return (run.plan?.blocks ?? []).map((block) => {
    const tasks = byBlock.get(block.layerIdx) ?? byBlock.get(block.unit) ?? [];
    const is = (state: TaskState) => tasks.some((task) => task.state === state);
    const done = tasks.length > 0 && tasks.every((task) => task.state === TaskState.SUCCEEDED);
    return {
      layer: block.layerIdx,
      bits: block.bitWidth,
      groupSize: Number(block.groupSize),
      sensitivity: block.sensitivity,
      state: done ? "done" : is(TaskState.FAILED) ? "failed" : is(TaskState.LEASED) ? "training" : "waiting",
      tasks,
    };
  });
}

export interface LossPoint {
  step: number;
  train: number | undefined;
  validation: number | undefined;
}

// Of a task's metrics_json (proto/README.md); empty where its kind has no losses.
export function lossCurve(task: Task): LossPoint[] {
  if (task.metricsJson === "") return [];
  let metrics: Record<string, unknown>;
  try {
    metrics = JSON.parse(task.metricsJson) as Record<string, unknown>;
  } catch {
    return [];
  }
  const value = (x: unknown) => (typeof x === "number" && Number.isFinite(x) ? x : undefined);
  const points: LossPoint[] = [];
  const initial = value(metrics["initial_val_loss"]);
  if (initial !== undefined) points.push({ step: 0, train: undefined, validation: initial });
  for (const list of ["epochs", "validations"]) {
    const entries = metrics[list];
    if (!Array.isArray(entries)) continue;
    for (const entry of entries as Record<string, unknown>[]) {
      const step = value(entry["step"]);
      if (step === undefined) continue;
      points.push({ step, train: value(entry["train_loss"]), validation: value(entry["val_loss"]) });
    }
  }
  if (Array.isArray(metrics["train_losses"])) {
    const first = value(metrics["first_step"]) ?? 0;
    (metrics["train_losses"] as unknown[]).forEach((loss, i) =>
      points.push({ step: first + i + 1, train: value(loss), validation: undefined }));
  }
  return points.length > 1 ? points : [];
}

// What a list shows of a run: its method's perplexity on the first text. Full precision's only where nothing is quantized.
export function perplexityOf(run: Run): Measured | undefined {
  const quantizes = run.plan?.recipe?.method !== "none";
  return run.measured.find((one) => one.metric === "perplexity" && (one.subject !== "fp" || !quantizes));
}

// Seconds until it ends, as things go: by the mean time of the tasks of each kind that were executed for it, spread over
// those that are executed at once. Undefined where too little is known.
export function secondsLeft(run: Run): number | undefined {
  if (run.state !== RunState.RUNNING || run.paused) return undefined;
  const seconds = new Map<string, { sum: number; count: number }>();
  let executing = 0;
  for (const task of run.tasks) {
    if (task.state === TaskState.LEASED) executing++;
    if (task.state !== TaskState.SUCCEEDED || task.seconds <= 0) continue;
    const kind = seconds.get(task.kind) ?? { sum: 0, count: 0 };
    seconds.set(task.kind, { sum: kind.sum + task.seconds, count: kind.count + 1 });
  }
  if (executing === 0) return undefined;
  let left = 0;
  for (const task of run.tasks) {
    if (task.state === TaskState.SUCCEEDED || task.state === TaskState.CANCELLED) continue;
    const kind = seconds.get(task.kind);
    if (kind === undefined) return undefined;
    const mean = kind.sum / kind.count;
    left += task.state === TaskState.LEASED ? Math.max(0, mean - task.seconds) : mean;
  }
  return left / executing;
}

// As a list shows it, of a run without its tasks: by how many were executed so far.
export function roughSecondsLeft(run: Run, now: number): number | undefined {
  const begun = millis(run.submittedAt);
  const executed = run.tasksDone - run.tasksShared;
  if (run.state !== RunState.RUNNING || run.paused || begun === undefined || executed < 2) return undefined;
  return ((now - begun) / 1000 / executed) * (run.tasksTotal - run.tasksDone);
}

export interface Point {
  id: string;
  x: number;
  y: number;
}

// The points that none beats in both, by growing x. Lower is better.
export function paretoFront(points: Point[]): Point[] {
  const front: Point[] = [];
  for (const point of [...points].sort((a, b) => a.x - b.x || a.y - b.y)) {
    const last = front[front.length - 1];
    if (last === undefined || point.y < last.y) front.push(point);
  }
  return front;
}

// Whether every word of the filter is somewhere in what a list shows of the run; "state:failed" and "project:NAME" are
// exact.
export function matchesFilter(run: Run, filter: string): boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const state = run.paused ? "paused" : STATE_WORDS[run.state];
  const text = [run.id, run.spec?.name, run.spec?.project, run.sweepId, methodOf(run), state, run.error,
    ...Object.entries(run.labels).map(([axis, value]) => `${axis}=${value}`)].join(" ").toLowerCase();
  return words.every((word) => {
    if (word.startsWith("state:")) return state === word.slice("state:".length);
    if (word.startsWith("project:")) return (run.spec?.project ?? "").toLowerCase() === word.slice("project:".length);
    return text.includes(word);
  });
}
