// SPDX-License-Identifier: Apache-2.0
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { watchAllRuns } from "./all_runs.ts";
import { giveToken, runs, tokenWanted } from "./api.ts";
import { ComparePage } from "./pages/compare_page.tsx";
import { RunPage } from "./pages/run_page.tsx";
import { RunsPage } from "./pages/runs_page.tsx";
import { SweepPage, SweepsPage } from "./pages/sweeps_page.tsx";
import { WorkersPage } from "./pages/workers_page.tsx";
import { useAsked } from "./parts/use.ts";
import { linkTo, route } from "./router.ts";
import { connectionProblem } from "./stream.ts";

function Page() {
  const [place, a, b] = route.value;
  if (place === undefined || (place === "runs" && a === undefined)) return <RunsPage />;
  if (place === "runs") return <RunPage id={a!} key={a} />;
  if (place === "sweeps") return a === undefined ? <SweepsPage /> : <SweepPage id={a} key={a} />;
  if (place === "workers") return <WorkersPage />;
  if (place === "compare" && a !== undefined && b !== undefined) return <ComparePage a={a} b={b} />;
  return <main><h1>There is no such page</h1><p><a href={linkTo()}>All runs</a></p></main>;
}

function TokenDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const wanted = tokenWanted.value;
  useEffect(() => {
    if (wanted) dialog.current?.showModal();
    else dialog.current?.close();
  }, [wanted]);
  return (
    <dialog ref={dialog} aria-label="token" onCancel={(event) => event.preventDefault()}>
      <form method="dialog" onSubmit={(event) => {
        event.preventDefault();
        giveToken(String(new FormData(event.currentTarget).get("token") ?? ""));
      }}>
        <p>{wanted}</p>
        <label>Token <input name="token" type="password" autocomplete="off" required /></label>
        <p class="hint">It is kept in this browser tab until the tab is closed.</p>
        <p class="buttons"><button class="first">Go on</button></p>
      </form>
    </dialog>
  );
}

function App() {
  const info = useAsked(() => runs.getServerInfo({}), "info");
  useEffect(() => watchAllRuns(), []);
  const place = route.value[0] ?? "runs";
  const link = (name: string, title: string) => <a href={linkTo(name)} aria-current={place === name ? "page" : undefined}>{title}</a>;
  return (
    <>
      <header>
        <span class="product">LayerWise-QAT</span>
        <nav aria-label="pages">{link("runs", "Runs")}{link("sweeps", "Sweeps")}{link("workers", "Workers")}</nav>
        <span class="problem" role="status">{connectionProblem.value}</span>
        <span class="version">{info.value?.version ?? ""} <a href="LICENCES.txt">licences</a></span>
      </header>
      <Page />
      <TokenDialog />
    </>
  );
}

render(<App />, document.getElementById("app")!);
