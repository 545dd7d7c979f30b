#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Submits a sweep over bits and seeds, waits for it and plots it: with proto/ and gRPC alone.

The base is a run that was submitted before (lwq submit): its model and texts are in the object store, so that nothing has
to be uploaded. Interrupted and called again with the same arguments it goes on with the same sweep.
"""
import argparse
import collections
import hashlib
import importlib
import itertools
import pathlib
import statistics
import sys
import tempfile
import time

import grpc
import grpc_tools.protoc

PROTO = pathlib.Path(__file__).resolve().parent.parent.parent / "proto"


def load_api(folder):
    """Python modules of the messages and services, made in the folder."""
    files = [str(path) for path in (PROTO / "lwqat" / "v1").glob("*.proto")]
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    if grpc_tools.protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={folder}",
                               f"--grpc_python_out={folder}", *files]) != 0:
        raise SystemExit(f"sweep.py: protoc failed on {PROTO}")
    sys.path.insert(0, folder)
    names = ("run_pb2", "run_service_pb2", "run_service_pb2_grpc", "sweep_pb2", "sweep_service_pb2",
             "sweep_service_pb2_grpc")
    return {name: importlib.import_module(f"lwqat.v1.{name}") for name in names}


def sweep_of(api, base, bits, seeds):
    spec = api["sweep_pb2"].SweepSpec(name=f"{base.name} over bits and seeds")
    for wbits, seed in itertools.product(bits, seeds):
        run = spec.runs.add(labels={"wbits": str(wbits), "seed": str(seed)})
        run.spec.CopyFrom(base)
        run.spec.name = f"{base.name} wbits={wbits} seed={seed}"
        run.spec.recipe.wbits = wbits
        run.spec.recipe.seed = seed
    return spec


def watch(api, sweeps, sweep):
    """Every run of the sweep whenever it changed, until all have ended. A stream that breaks goes on where it was."""
    request = api["sweep_service_pb2"].WatchSweepRequest(sweep_id=sweep.id)
    failures = 0
    while True:
        try:
            for message in sweeps.WatchSweep(request):
                request.resume_token = message.resume_token
                failures = 0
                yield from message.runs
                if message.all_ended:
                    return
        except grpc.RpcError as error:
            failures += 1
            if error.code() != grpc.StatusCode.UNAVAILABLE or failures > 10:
                raise
            time.sleep(min(10, failures))


def wait(api, runs, sweeps, sweep):
    name_of = api["run_pb2"].RunState.Name
    ended = set()
    for run in watch(api, sweeps, sweep):
        state = name_of(run.state).removeprefix("RUN_STATE_")
        if run.HasField("finished_at") and run.id not in ended:
            ended.add(run.id)
            print(f"[{len(ended)}/{len(sweep.members)}] {run.id} {run.spec.name}: {state}" +
                  (f": {run.error}" if run.error else ""))
    request = api["run_service_pb2"].GetRunRequest
    return [(dict(member.labels), runs.GetRun(request(run_id=member.run_id)).run) for member in sweep.members]


def perplexity(run):
    """Of the quantized model on the first text."""
    values = [measured.value for measured in run.measured if measured.metric == "perplexity" and measured.subject != "fp"]
    return values[0] if values else None


def table(ended):
    arms = collections.defaultdict(list)
    for labels, run in ended:
        if perplexity(run) is not None:
            arms[labels["wbits"]].append((run.plan.stored_bits_per_weight, perplexity(run)))
    rows = []
    for wbits, points in sorted(arms.items()):
        values = [ppl for _, ppl in points]
        error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
        rows.append((wbits, points[0][0], statistics.fmean(values), error, len(values)))
    return rows


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.errorbar([row[1] for row in rows], [row[2] for row in rows], yerr=[row[3] or 0 for row in rows], marker="o",
                  capsize=4, color="#0072B2")
    axes.set_xlabel("stored bits per weight")
    axes.set_ylabel("perplexity (mean ± s.e. over seeds)")
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coordinator", required=True, metavar="HOST:PORT")
    parser.add_argument("--base", required=True, metavar="RUN", help="id of a run whose model, texts and recipe are taken")
    parser.add_argument("--bits", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--plot", metavar="FILE", help="PNG, PDF or SVG")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        api = load_api(folder)
        channel = grpc.insecure_channel(options.coordinator, [("grpc.max_receive_message_length", 64 << 20)])
        runs = api["run_service_pb2_grpc"].RunServiceStub(channel)
        sweeps = api["sweep_service_pb2_grpc"].SweepServiceStub(channel)
        try:
            base = runs.GetRun(api["run_service_pb2"].GetRunRequest(run_id=options.base), timeout=30).run.spec
            spec = sweep_of(api, base, options.bits, options.seeds)
            plan = sweeps.PlanSweep(api["sweep_service_pb2"].PlanSweepRequest(spec=spec), timeout=300).plan
            print(f"{len(spec.runs)} runs, {plan.tasks} tasks, {plan.distinct_tasks} of them distinct, "
                  f"{plan.known_tasks} known")
            request_id = hashlib.sha256(spec.SerializeToString(deterministic=True)).hexdigest()
            request = api["sweep_service_pb2"].SubmitSweepRequest(spec=spec, request_id=request_id)
            sweep = sweeps.SubmitSweep(request, timeout=300).sweep
            print(f"sweep {sweep.id}")
            ended = wait(api, runs, sweeps, sweep)
        except grpc.RpcError as error:
            raise SystemExit(f"sweep.py: {error.code().name}: {error.details()}") from None
    rows = table(ended)
    print("wbits  stored bits  perplexity  s.e.    seeds")
    for wbits, stored_bits, mean, error, count in rows:
        print(f"{wbits:>5}  {stored_bits:>11.4f}  {mean:>10.4f}  {'–' if error is None else f'{error:.4f}':>6}  {count:>5}")
    if options.plot and rows:
        plot(rows, options.plot)
    if len(rows) < len(set(options.bits)):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
