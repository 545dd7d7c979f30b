// SPDX-License-Identifier: Apache-2.0
import { useMemo } from "preact/hooks";
import { sweeps } from "../api.ts";
import { allRuns } from "../all_runs.ts";
import { dateTime, millis, number } from "../format.ts";
import type { Run } from "../gen/lwqat/v1/run_pb.ts";
import { Chart } from "../parts/chart.tsx";
import { Action } from "../parts/action.tsx";
import { Progress, StateMark } from "../parts/state.tsx";
import { useAsked } from "../parts/use.ts";
import { type Column, VirtualTable } from "../parts/virtual_table.tsx";
import { linkTo } from "../router.ts";
import { hasEnded, methodOf, nameOf, paretoFront, perplexityOf } from "../run_facts.ts";

const EVERY_MS = 5000;

export function SweepsPage() {
  const asked = useAsked(() => sweeps.listSweeps({ pageSize: 200 }), "sweeps", EVERY_MS);
  return (
    <main>
      <h1>Sweeps</h1>
      {asked.error && <p class="error" role="alert">{asked.error}</p>}
      <VirtualTable label="sweeps, newest first" rows={asked.value?.sweeps ?? []} keyOf={(sweep) => sweep.id}
        empty={asked.value ? "There are no sweeps yet: lwq sweep submit SWEEP.yaml begins one." : "Loading…"}
        columns={[
          { title: "Sweep", class: "name", cell: (sweep) => <a href={linkTo("sweeps", sweep.id)}>{sweep.name || sweep.id}</a> },
          { title: "Submitted", cell: (sweep) => dateTime(millis(sweep.submittedAt)) },
          { title: "Id", cell: (sweep) => sweep.id },
        ]} />
    </main>
  );
}

// Its runs, as the page's one stream has them.
function runsOf(id: string): Run[] {
  return allRuns.value.filter((run) => run.sweepId === id).reverse();
}

function Pareto({ runs }: { runs: Run[] }) {
  const points = useMemo(() => runs.flatMap((run) => {
    const perplexity = perplexityOf(run);
    const bits = run.plan?.storedBitsPerWeight ?? 0;
    return perplexity === undefined || bits === 0 ? [] : [{ id: run.id, x: bits, y: perplexity.value }];
  }).sort((a, b) => a.x - b.x), [runs.map((run) => `${run.id}${run.measured.length}`).join()]);
  const front = useMemo(() => new Set(paretoFront(points).map((point) => point.id)), [points]);
  const x = useMemo(() => points.map((point) => point.x), [points]);
  const series = useMemo(() => [
    { label: "run", values: points.map((point) => point.y), points: true },
    { label: "beaten by none", values: points.map((point) => (front.has(point.id) ? point.y : null)) },
  ], [points, front]);
  if (points.length === 0) return <p class="hint">Bits and perplexity of its runs are drawn once the first is measured.</p>;
  return <Chart label={`perplexity by stored bits of ${points.length} runs; ${front.size} are beaten by none in both`} x={x}
    xLabel="stored bits a weight" yLabel="perplexity" series={series} logarithmic height={320}
    onPick={(index) => { location.hash = linkTo("runs", points[index]!.id); }} />;
}

export function SweepPage({ id }: { id: string }) {
  const asked = useAsked(() => sweeps.getSweep({ sweepId: id }), `sweep ${id}`, EVERY_MS);
  const members = runsOf(id);
  const sweep = asked.value?.sweep;
  const axes = [...new Set(members.flatMap((run) => Object.keys(run.labels)))].sort();
  const open = members.some((run) => !hasEnded(run));
  const columns: Column<Run>[] = [
    { title: "Run", class: "name", cell: (run) => <a href={linkTo("runs", run.id)}>{nameOf(run)}</a> },
    ...axes.map((axis): Column<Run> => ({ title: axis, cell: (run) => run.labels[axis] ?? "" })),
    { title: "State", cell: (run) => <StateMark run={run} /> },
    { title: "Tasks", cell: (run) => <Progress done={run.tasksDone} total={run.tasksTotal} /> },
    { title: "Method", cell: methodOf },
    { title: "Bits", class: "right", cell: (run) => (run.plan?.storedBitsPerWeight ? run.plan.storedBitsPerWeight.toFixed(2) : "") },
    { title: "Perplexity", class: "right", cell: (run) => { const one = perplexityOf(run); return one ? number(one.value) : ""; } },
    { title: "Now", class: "wide", cell: (run) => run.error || run.waitingReason || run.tasks.map((task) => task.title)[0] || "" },
  ];
  return (
    <main>
      <p class="crumbs"><a href={linkTo("sweeps")}>Sweeps</a></p>
      <h1>{sweep?.name || id}</h1>
      {asked.error && <p class="error" role="alert">{asked.error}</p>}
      <div class="tools">
        {sweep && <Progress done={Number(sweep.tasksDone)} total={Number(sweep.tasks)} />}
        {open && <Action label="Pause all" act={() => sweeps.pauseSweep({ sweepId: id })} />}
        {members.some((run) => run.paused) && <Action label="Resume all" act={() => sweeps.resumeSweep({ sweepId: id })} />}
        {open && <Action label="Cancel all" question={`Cancel all ${members.length} runs of ${sweep?.name || id}?`} act={() => sweeps.cancelSweep({ sweepId: id })} />}
      </div>
      <section><h2>Bits and perplexity</h2><Pareto runs={members} /></section>
      <section><h2>Runs</h2><VirtualTable label="runs of the sweep" rows={members} columns={columns} keyOf={(run) => run.id} empty="Its runs are loading, or older than those this page follows." /></section>
    </main>
  );
}
