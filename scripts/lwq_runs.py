# SPDX-License-Identifier: Apache-2.0
"""What scripts/study and scripts/real share: executing runs with `lwq local` and reading numbers from their JSON."""
import datetime
import json
import math
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LWQ = ROOT / "build" / "release" / "bin" / "lwq"


def execute(wanted, state, workers, lwq=LWQ, options=()):
    """Executes {name: fields} on the state folder; returns {name: run as JSON}.

    Ends the program when a run has no result; a run that failed is named on standard error and returned.
    """
    folder = state / "recipes"
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, fields in wanted.items():
        text = "".join(f"{key}: {value}\n" for key, value in {"name": name, **fields}.items())
        path = folder / f"{name.replace(' ', '-').replace('/', '-')}.yaml"
        path.write_text(text)
        files.append(str(path))
    command = [str(lwq), "local", *files, "--workers", str(workers), "--json", "--state", str(state / "cluster"),
               *options]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    runs = {}
    for run in json.loads(finished.stdout)["runs"] if finished.stdout else []:
        runs[run["spec"]["name"]] = run
        if run["state"] != "RUN_STATE_SUCCEEDED":
            print(f"{run['spec']['name']}: {run['state']} {run.get('error', '')}", file=sys.stderr)
    missing = [name for name in wanted if name not in runs]
    if missing:
        raise SystemExit(f"no result for {missing[0]}; exit code {finished.returncode}")
    return runs


def measured(run):
    """What the run measured: a list of {subject, dataset, metric, value, standard_error, count, add_bos}.

    A run whose JSON an earlier version wrote has a list "perplexities" instead.
    """
    if "measured" in run:
        return run["measured"]
    names = {"model": "subject", "text": "dataset", "perplexity": "value", "tokens": "count", "add_bos": "add_bos"}
    return [{"metric": "perplexity", **{names[key]: value for key, value in one.items()}}
            for one in run.get("perplexities", [])]


def perplexity(run, model=None):
    """Of the quantized model, or with model="fp" of the full-precision one; NaN where it was not measured."""
    for one in measured(run):
        if one["metric"] == "perplexity" and (one["subject"] == "fp") == (model == "fp"):
            return one["value"]
    return math.nan


def stored_bits(run):
    return run["plan"]["stored_bits_per_weight"]


def trained_steps(run):
    """Optimizer steps of all blocks, without those of pilots."""
    steps = 0
    for task in run.get("tasks", []):
        if task["kind"] == "train_block" and not task["title"].startswith("pilot"):
            steps += json.loads(task["metrics_json"])["steps"]
    return steps


def executed(run):
    """Keys of the tasks that the run had to execute itself: no run before it or beside it had them."""
    return [task["key"] for task in run.get("tasks", []) if not task.get("from_cache")]


def device_seconds(run):
    """Seconds of computing in all tasks that the run needs, whoever executed them."""
    return sum(task.get("seconds", 0) for task in run.get("tasks", []))


def peak_rss_bytes(run):
    """The largest resident set of a worker while it executed one of the run's tasks."""
    return max((int(task.get("peak_rss_bytes", 0)) for task in run.get("tasks", [])), default=0)


def elapsed(run):
    """Seconds from submission to end."""
    def moment(text):
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    return moment(run["finished_at"]) - moment(run["submitted_at"])


def spread(values, digits=4):
    """Mean and, of several, standard deviation."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def table(columns, rows):
    """Prints a Markdown table."""
    print("| " + " | ".join(columns) + " |")
    print("|" + " --- |" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)
