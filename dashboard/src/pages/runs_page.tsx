// SPDX-License-Identifier: Apache-2.0
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { allRuns, runsLoaded } from "../all_runs.ts";
import { dateTime, duration, millis, number } from "../format.ts";
import type { Run } from "../gen/lwqat/v1/run_pb.ts";
import { Progress, StateMark } from "../parts/state.tsx";
import { useNow } from "../parts/use.ts";
import { type Column, VirtualTable } from "../parts/virtual_table.tsx";
import { linkTo } from "../router.ts";
import { matchesFilter, methodOf, nameOf, perplexityOf, roughSecondsLeft } from "../run_facts.ts";

const filter = signal("");
const chosen = signal<ReadonlySet<string>>(new Set());

function toggle(id: string): void {
  const next = new Set(chosen.value);
  if (!next.delete(id)) next.add(id);
  chosen.value = next;
}

function left(run: Run, now: number): string {
  const seconds = roughSecondsLeft(run, now);
  return seconds === undefined ? "" : `about ${duration(seconds)} left`;
}

function doing(run: Run): string {
  if (run.error) return run.error;
  if (run.waitingReason) return run.waitingReason;
  return run.tasks.map((task) => task.title).slice(0, 2).join(", ") + (run.tasks.length > 2 ? `, ${run.tasks.length - 2} more` : "");
}

function columns(now: number): Column<Run>[] {
  return [
    { title: "", class: "pick", cell: (run) => (
      <input type="checkbox" aria-label={`choose ${nameOf(run)}`} checked={chosen.value.has(run.id)} onChange={() => toggle(run.id)} />) },
    { title: "Run", class: "name", cell: (run) => <a href={linkTo("runs", run.id)} title={run.id}>{nameOf(run)}</a> },
    { title: "State", cell: (run) => <StateMark run={run} /> },
    { title: "Tasks", cell: (run) => <Progress done={run.tasksDone} total={run.tasksTotal} /> },
    { title: "Method", cell: (run) => methodOf(run) },
    { title: "Bits", class: "right", cell: (run) => (run.plan?.storedBitsPerWeight ? run.plan.storedBitsPerWeight.toFixed(2) : "") },
    { title: "Perplexity", class: "right", cell: (run) => { const one = perplexityOf(run); return one ? number(one.value) : ""; } },
    { title: "Project", cell: (run) => run.spec?.project ?? "" },
    { title: "Submitted", cell: (run) => dateTime(millis(run.submittedAt)) },
    { title: "Now", class: "wide", cell: (run) => [left(run, now), doing(run)].filter(Boolean).join(" · ") },
  ];
}

export function RunsPage() {
  const now = useNow(5000);
  const box = useRef<HTMLInputElement>(null);
  const shown = useMemo(() => allRuns.value.filter((run) => matchesFilter(run, filter.value)), [allRuns.value, filter.value]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
      event.preventDefault();
      box.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const pair = [...chosen.value];
  return (
    <main>
      <h1>Runs</h1>
      <div class="tools">
        <label>Filter <input ref={box} type="search" value={filter.value} placeholder="words, state:failed, project:name"
          onInput={(event) => { filter.value = event.currentTarget.value; }} /></label>
        <span role="status">{shown.length === allRuns.value.length ? `${shown.length} runs` : `${shown.length} of ${allRuns.value.length} runs`}</span>
        {pair.length === 2
          ? <a class="button" href={linkTo("compare", pair[0]!, pair[1]!)}>Compare the two</a>
          : <span class="hint">{pair.length === 0 ? "Choose two runs to compare them." : `${pair.length} chosen; two can be compared.`}</span>}
      </div>
      <VirtualTable label="runs, newest first" rows={shown} columns={columns(now)} keyOf={(run) => run.id}
        empty={!runsLoaded.value ? "Loading…" : filter.value ? "No run matches the filter." : "There are no runs yet: lwq submit RUN.yaml begins one."} />
    </main>
  );
}
