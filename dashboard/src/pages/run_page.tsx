// SPDX-License-Identifier: Apache-2.0
import { useEffect, useMemo, useState } from "preact/hooks";
import { runs } from "../api.ts";
import { bytes, dateTime, duration, millis, number } from "../format.ts";
import { type Run, RunState, type Task, TaskState } from "../gen/lwqat/v1/run_pb.ts";
import { watchRun } from "../one_run.ts";
import { BlockStrip } from "../parts/block_strip.tsx";
import { Chart } from "../parts/chart.tsx";
import { Action } from "../parts/action.tsx";
import { Log } from "../parts/log.tsx";
import { Progress, StateMark } from "../parts/state.tsx";
import { Timeline } from "../parts/timeline.tsx";
import { useNow } from "../parts/use.ts";
import { type Column, VirtualTable } from "../parts/virtual_table.tsx";
import { linkTo } from "../router.ts";
import { type BlockFacts, blocksOf, hasEnded, lossCurve, methodOf, nameOf, secondsLeft, TASK_WORDS } from "../run_facts.ts";

function Facts({ run, now }: { run: Run; now: number }) {
  const begun = millis(run.submittedAt);
  const ended = millis(run.finishedAt);
  const left = secondsLeft(run);
  const rows: [string, string | undefined][] = [
    ["id", run.id],
    ["project", run.spec?.project],
    ["method", methodOf(run)],
    ["model", run.spec?.model?.name],
    ["stored bits a weight", run.plan?.storedBitsPerWeight ? run.plan.storedBitsPerWeight.toFixed(3) : undefined],
    ["submitted", dateTime(begun)],
    ["took", begun !== undefined ? duration(((ended ?? now) - begun) / 1000) : undefined],
    ["expected end", left === undefined ? undefined : `in about ${duration(left)}, at ${dateTime(now + left * 1000)}`],
    ["tasks of other runs", run.tasksShared > 0 ? String(run.tasksShared) : undefined],
    ["numerics class", run.numericsClass],
    ["export", run.export ? `${bytes(run.exportBytes)}, ${run.export.digest.slice(0, 16)}` : undefined],
    ["digest of the result", run.resultDigest ? run.resultDigest.slice(0, 16) : undefined],
  ];
  return <dl class="facts">{rows.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function Measurements({ run }: { run: Run }) {
  if (run.measured.length === 0) return null;
  return (
    <section>
      <h2>Measured</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="what was measured">
        <table><thead><tr><th scope="col">Model</th><th scope="col">Data</th><th scope="col">Metric</th><th scope="col" class="right">Value</th></tr></thead>
          <tbody>{run.measured.map((one, i) => (
            <tr key={i}><td>{one.subject === "fp" ? "full precision" : one.subject}</td><td>{one.dataset}</td><td>{one.metric}</td>
              <td class="right">{number(one.value)}{one.standardError === undefined ? "" : ` ± ${number(one.standardError)}`}</td></tr>))}
          </tbody></table>
      </div>
    </section>
  );
}

function Losses({ block }: { block: BlockFacts }) {
  const { task, curve } = useMemo(() => {
    const of = block.tasks.map((one) => ({ task: one, curve: lossCurve(one) })).filter((one) => one.curve.length > 0);
    return of.at(-1) ?? { task: undefined, curve: [] };
  }, [block.tasks.map((one) => one.key + one.metricsJson).join()]);
  const x = useMemo(() => curve.map((point) => point.step), [curve]);
  const series = useMemo(() => [
    { label: "training", values: curve.map((point) => point.train) },
    { label: "validation", values: curve.map((point) => point.validation), dashed: true },
  ].filter((one) => one.values.some((value) => value !== undefined)), [curve]);
  if (task === undefined) return <p class="hint">Block {block.layer} is {block.state}; its losses are shown once it is trained.</p>;
  return (
    <figure>
      <figcaption>{task.title}: loss by optimizer step</figcaption>
      <Chart label={`${task.title}: loss by step, from ${number(curve[0]!.validation ?? curve[0]!.train ?? NaN)} to ${number(curve.at(-1)!.validation ?? curve.at(-1)!.train ?? NaN)}`}
        x={x} xLabel="step" yLabel="loss" series={series} />
    </figure>
  );
}

function taskColumns(onPick: (task: string) => void): Column<Task>[] {
  return [
    { title: "Task", class: "name", cell: (task) => <button type="button" class="link" title="show its log" onClick={() => onPick(task.title)}>{task.title}</button> },
    { title: "State", cell: (task) => TASK_WORDS[task.state] + (task.fromCache ? ", was there" : "") },
    { title: "Worker", cell: (task) => task.worker },
    { title: "Attempts", class: "right", cell: (task) => task.attempts || "" },
    { title: "Time", class: "right", cell: (task) => (task.seconds > 0 ? duration(task.seconds) : "") },
    { title: "Peak memory", class: "right", cell: (task) => (task.peakMemoryBytes > 0n ? bytes(task.peakMemoryBytes) : "") },
    { title: "Now", class: "wide", cell: (task) => task.error || (task.progress && task.progress.steps > 0n
      ? `${task.progress.stage} ${task.progress.step} of ${task.progress.steps}` : "") },
    { title: "Results", class: "wide", cell: (task) => Object.entries(task.outputs).map(([role, artifact]) =>
      `${role} ${artifact.digest.slice(0, 10)} (${bytes(artifact.sizeBytes)})`).join(", ") },
  ];
}

export function RunPage({ id }: { id: string }) {
  const now = useNow();
  const [run, setRun] = useState<Run | undefined>();
  const [gone, setGone] = useState("");
  const [picked, setPicked] = useState<number | undefined>();
  const [logOf, setLogOf] = useState("");
  useEffect(() => {
    setRun(undefined);
    setGone("");
    setPicked(undefined);
    setLogOf("");
    return watchRun(id, setRun, setGone);
  }, [id]);
  const blocks = useMemo(() => (run === undefined ? [] : blocksOf(run)), [run]);
  if (gone) return <main><h1>{id}</h1><p class="error" role="alert">{gone}</p></main>;
  if (run === undefined) return <main><h1>{id}</h1><p class="hint">Loading…</p></main>;
  const open = !hasEnded(run);
  const block = blocks.find((one) => one.layer === picked) ?? blocks.find((one) => one.state === "training") ?? blocks.at(-1);
  const held = run.tasks.filter((task) => task.state === TaskState.LEASED).map((task) => task.title);
  return (
    <main>
      <p class="crumbs"><a href={linkTo()}>Runs</a>{run.sweepId && <> · sweep <a href={linkTo("sweeps", run.sweepId)}>{run.sweepId}</a></>}</p>
      <h1>{nameOf(run)}</h1>
      <div class="tools">
        <StateMark run={run} />
        <Progress done={run.tasksDone} total={run.tasksTotal} />
        {open && !run.paused && run.state !== RunState.STOPPED && <Action label="Pause" act={() => runs.pauseRun({ runId: id })} />}
        {(run.paused || run.state === RunState.STOPPED) && <Action label="Resume" act={() => runs.resumeRun({ runId: id })} />}
        {open && <Action label="Cancel" question={`Cancel ${nameOf(run)}? What it has computed stays for other runs.`} act={() => runs.cancelRun({ runId: id })} />}
      </div>
      {run.error && <p class="error" role="alert">{run.error}</p>}
      {run.waitingReason && <p class="note">{run.waitingReason}</p>}
      {held.length > 0 && <p class="note">Executing {held.slice(0, 4).join(", ")}{held.length > 4 && ` and ${held.length - 4} more`}.</p>}
      <Facts run={run} now={now} />
      {blocks.length > 0 && (
        <section>
          <h2>Blocks</h2>
          <BlockStrip blocks={blocks} picked={block?.layer} onPick={setPicked} />
          <p class="keys"><span><span class="swatch cell-waiting" aria-hidden="true" />waiting</span><span><span class="swatch cell-training" aria-hidden="true" />training</span>
            <span><span class="swatch cell-done" aria-hidden="true" />done</span><span><span class="swatch cell-failed" aria-hidden="true" />failed</span>
            <span>number above: bits; bar below: sensitivity</span></p>
          {block && <Losses block={block} />}
        </section>)}
      <Measurements run={run} />
      <section><h2>Timeline</h2><Timeline tasks={run.tasks} now={now} /></section>
      <section>
        <h2>Tasks</h2>
        <VirtualTable label="tasks" rows={run.tasks} columns={taskColumns(setLogOf)} keyOf={(task) => task.key} height="24rem"
          empty="It has no tasks yet: they are known once a worker of a fitting class is there." />
      </section>
      <section>
        <h2>Log{logOf && <> of {logOf} <button type="button" onClick={() => setLogOf("")}>Show all</button></>}</h2>
        <Log runId={id} task={logOf} />
      </section>
    </main>
  );
}
