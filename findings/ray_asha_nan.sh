#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ray Tune 2.60.0: ASHAScheduler lets a trial go on whose metric is NaN, and stops finite ones beside it.
#
# Expected: a trial that has diverged is the worst of its rung and is stopped there; so do Optuna's SuccessiveHalvingPruner
# and ours.
# Seen: the comparison with the cutoff, `NaN < cutoff`, is false, which means CONTINUE: at every rung, up to max_t. The
# cutoff itself leaves NaN out, so that finite trials are stopped as if the diverged one were not there.
# Who meets it: everybody who tunes learning rates with mode="min" and a loss that can become NaN. A trial that is to be
# stopped has to report infinity.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "ray[tune]==2.60.0"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import math, sys
from types import SimpleNamespace
from ray.tune.schedulers import ASHAScheduler

asha = ASHAScheduler(metric="loss", mode="min", grace_period=1, reduction_factor=2, max_t=8)
losses = [1.0, 2.0, 3.0, math.nan, 4.0, math.inf]
seen = []
for number, loss in enumerate(losses):
    trial = SimpleNamespace(trial_id=f"trial{number}")
    asha.on_trial_add(None, trial)
    decisions = []
    for iteration in (1, 2, 4):
        decisions.append(asha.on_trial_result(None, trial, {"training_iteration": iteration, "loss": loss}))
        if decisions[-1] == "STOP":
            break
    print(f"loss {loss:4} at iterations 1, 2, 4: {' '.join(decisions)}")
    seen.append(decisions[-1])
if seen != ["CONTINUE", "STOP", "STOP", "CONTINUE", "STOP", "STOP"]:
    sys.exit(f"changed: the last decisions are now {seen}")
print("as described: NaN goes on to the end, a loss of 2 does not")
PYTHON
