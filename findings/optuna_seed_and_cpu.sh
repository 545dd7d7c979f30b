#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Optuna 4.9.0 with NumPy 2.4.6: what TPESampler(seed=0) suggests depends on the processor's vector instructions.
#
# Expected: a seeded sampler gives the same trials for the same objective on every x86-64 machine. Optuna's FAQ names the seed
# as the way to reproducible results, and its pull request 4056 made another argsort of this sampler stable for that reason.
# Seen: where a parameter takes equal values (an int, a step) and 25 trials or more are done, suggestions differ between
# a machine with AVX2 or AVX-512 and one without; here the instructions are switched off by NPY_DISABLE_CPU_FEATURES.
# Why: the Parzen estimator gives widths to observations by numpy.argsort, whose default order of equal values is another
# for each set of instructions; which of equal observations gets the wide kernel matters as soon as their weights differ,
# from the 26th on. With kind="stable" both are equal, which the script shows, too.
# Who meets it: everybody who repeats a seeded study on another machine, and every comparison with another implementation.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q optuna==4.9.0 numpy==2.4.6
cat >"$folder/study.py" <<'PYTHON'
import sys
import numpy as np
import optuna
from optuna.samplers._tpe import parzen_estimator

class StableNumpy:
    argsort = staticmethod(lambda array: np.argsort(array, kind="stable"))
    def __getattr__(self, name):
        return getattr(np, name)

if sys.argv[1] == "stable":
    parzen_estimator.np = StableNumpy()
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(lambda t: (t.suggest_int("a", 1, 8) - 3) ** 2 + (t.suggest_int("b", 1, 8) - 6) ** 2, n_trials=60)
for trial in study.trials:
    print(trial.number, *trial.params.values())
PYTHON
if ! "$folder/venv/bin/python" -c 'import numpy._core._multiarray_umath as m, sys
sys.exit(not m.__cpu_features__.get("AVX2"))'; then
  echo "this machine has no AVX2: there is nothing to switch off"
  exit 0
fi
for order in default stable; do
  "$folder/venv/bin/python" "$folder/study.py" "$order" >"$folder/$order.with"
  NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4" "$folder/venv/bin/python" "$folder/study.py" "$order" >"$folder/$order.without"
done
echo "first trials that differ, with AVX2 or AVX-512 (<) and without (>):"
diff "$folder/default.with" "$folder/default.without" | head -8 || true
if cmp -s "$folder/default.with" "$folder/default.without"; then
  echo "changed: the trials are equal now" >&2
  exit 1
fi
if ! cmp -s "$folder/stable.with" "$folder/stable.without"; then
  echo "changed: with a stable argsort the trials differ, too" >&2
  exit 1
fi
echo "as described: one seed, two sequences of trials; with a stable argsort one"
