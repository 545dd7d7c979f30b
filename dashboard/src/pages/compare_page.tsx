// SPDX-License-Identifier: Apache-2.0
import { runs } from "../api.ts";
import { duration, millis, number } from "../format.ts";
import type { Run } from "../gen/lwqat/v1/run_pb.ts";
import { StateMark } from "../parts/state.tsx";
import { useAsked } from "../parts/use.ts";
import { linkTo } from "../router.ts";
import { methodOf, nameOf } from "../run_facts.ts";

// The recipe's keys whose values differ, as text.
export function differingKeys(a: Run, b: Run): [string, string, string][] {
  const text = (value: unknown) => (value === undefined ? "" : String(value));
  const of = (run: Run) => (run.plan?.recipe ?? {}) as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(of(a)), ...Object.keys(of(b))])].filter((key) => !key.startsWith("$")).sort();
  return keys.map((key): [string, string, string] => [key, text(of(a)[key]), text(of(b)[key])]).filter(([, x, y]) => x !== y);
}

function took(run: Run): string {
  const [begun, ended] = [millis(run.submittedAt), millis(run.finishedAt)];
  return begun === undefined || ended === undefined ? "" : duration((ended - begun) / 1000);
}

function measuredRows(a: Run, b: Run): [string, string, string][] {
  const nameOfOne = (one: Run["measured"][number]) => `${one.metric} on ${one.dataset}${one.subject === "fp" ? ", full precision" : ""}`;
  const names = [...new Set([...a.measured, ...b.measured].map(nameOfOne))];
  const value = (run: Run, name: string) => { const one = run.measured.find((m) => nameOfOne(m) === name); return one ? number(one.value) : ""; };
  return names.map((name) => [name, value(a, name), value(b, name)]);
}

function Rows({ rows }: { rows: [string, string, string][] }) {
  return <>{rows.map(([name, a, b]) => <tr key={name} class={a === b ? "" : "differs"}><th scope="row">{name}</th><td>{a}</td><td>{b}</td></tr>)}</>;
}

export function ComparePage({ a, b }: { a: string; b: string }) {
  const asked = useAsked(async () => {
    const [first, second] = await Promise.all([runs.getRun({ runId: a }), runs.getRun({ runId: b })]);
    return [first.run!, second.run!] as const;
  }, `compare ${a} ${b}`, 5000);
  const explained = useAsked(() => runs.explainRuns({ runA: a, runB: b }), `explain ${a} ${b}`);
  if (asked.value === undefined) return <main><h1>Comparison</h1><p class={asked.error ? "error" : "hint"} role="status">{asked.error || "Loading…"}</p></main>;
  const [first, second] = asked.value;
  const why = explained.value;
  return (
    <main>
      <p class="crumbs"><a href={linkTo()}>Runs</a></p>
      <h1>Comparison</h1>
      <div class="scroll" tabIndex={0} role="region" aria-label="the two runs side by side">
        <table class="sides">
          <thead><tr><td /><th scope="col"><a href={linkTo("runs", first.id)}>{nameOf(first)}</a></th><th scope="col"><a href={linkTo("runs", second.id)}>{nameOf(second)}</a></th></tr></thead>
          <tbody>
            <tr><th scope="row">state</th><td><StateMark run={first} /></td><td><StateMark run={second} /></td></tr>
            <Rows rows={[["method", methodOf(first), methodOf(second)],
              ["stored bits a weight", (first.plan?.storedBitsPerWeight ?? 0).toFixed(3), (second.plan?.storedBitsPerWeight ?? 0).toFixed(3)],
              ["took", took(first), took(second)], ...measuredRows(first, second)]} />
          </tbody>
          <tbody><tr><th scope="rowgroup" colSpan={3}>Recipe, where it differs</th></tr>
            <Rows rows={differingKeys(first, second)} /></tbody>
        </table>
      </div>
      <section>
        <h2>What they share</h2>
        {explained.error && <p class="hint">{explained.error}</p>}
        {why && (
          <>
            <p>{nameOf(first)} has {String(why.tasksA)} tasks and {nameOf(second)} {String(why.tasksB)}. {String(why.shared)} are the same and were done once
              for both; {String(why.following)} differ only because something before them does.</p>
            {why.partings.map((parting) => (
              <details key={parting.title}><summary>{parting.title}</summary>
                <table><tbody><Rows rows={parting.fields.map((field): [string, string, string] => [field.name, field.a, field.b])} /></tbody></table>
              </details>))}
          </>)}
      </section>
    </main>
  );
}
