// SPDX-License-Identifier: Apache-2.0
import { type Run, RunState } from "../gen/lwqat/v1/run_pb.ts";
import { STATE_WORDS } from "../run_facts.ts";

// A shape and a word beside the colour, for those who do not tell colours apart.
const SHAPES: Record<string, string> = {
  pending: "○", running: "◐", succeeded: "●", failed: "✕", cancelled: "–", stopped: "■", paused: "‖",
};

export function StateMark({ run }: { run: Run }) {
  const word = run.paused && run.state !== RunState.SUCCEEDED ? "paused" : STATE_WORDS[run.state];
  return <span class={`state state-${word}`}><span aria-hidden="true">{SHAPES[word] ?? "?"}</span> {word}</span>;
}

export function Progress({ done, total }: { done: number; total: number }) {
  const share = total === 0 ? 0 : done / total;
  return (
    <span class="progress">
      <span class="bar" aria-hidden="true"><span style={{ transform: `scaleX(${share})` }} /></span>
      <span class="count">{done} of {total}</span>
    </span>
  );
}
