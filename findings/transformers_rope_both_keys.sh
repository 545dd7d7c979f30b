#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# transformers 5.23.0: a rope_theta inside rope_parameters is lost when a non-empty rope_scaling stands beside it.
#
# Expected: of a config.json with both keys (an older exporter's rope_scaling, a newer one's rope_parameters), rope_scaling
# says the type and whatever it leaves out, theta above all, comes from rope_parameters.
# Seen: rope_scaling replaces rope_parameters as a whole. Its own rope_theta counts, else the one at the top level, else the
# default 10000; the one inside rope_parameters counts only where rope_scaling is empty or null. Nothing is said, and the
# model computes with other angles: here a model of theta 1,000 is read as one of 10,000.
# Who meets it: fine-tunes whose config.json was written by one version and patched for longer contexts by the recipe of
# another; a reader that merges the two keys gives other logits than transformers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.23.0
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json, sys
import transformers

INSIDE = {"rope_parameters": {"rope_type": "default", "rope_theta": 1000.0}}
SCALING = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
           "original_max_position_embeddings": 64}
cases = {
    "rope_parameters alone": ({**INSIDE}, ("default", 1000.0)),
    "rope_parameters and an empty rope_scaling": ({**INSIDE, "rope_scaling": {}}, ("default", 1000.0)),
    "rope_parameters and rope_scaling": ({**INSIDE, "rope_scaling": SCALING}, ("llama3", 10000.0)),
    "both, and rope_theta at the top level": (
        {**INSIDE, "rope_scaling": SCALING, "rope_theta": 500.0}, ("llama3", 500.0)),
    "both, and rope_theta inside rope_scaling": (
        {**INSIDE, "rope_scaling": {**SCALING, "rope_theta": 700.0}, "rope_theta": 500.0}, ("llama3", 700.0)),
}
changed = False
print(f"transformers {transformers.__version__}")
for name, (keys, expected) in cases.items():
    json.dump({"model_type": "llama", "architectures": ["LlamaForCausalLM"], **keys}, open(f"{sys.argv[1]}/config.json", "w"))
    rope = transformers.AutoConfig.from_pretrained(sys.argv[1]).rope_parameters
    seen = (rope["rope_type"], rope["rope_theta"])
    changed |= seen != expected
    print(f"  {name:44} type {seen[0]}, theta {seen[1]:g}" + ("" if seen == expected else f"  (was {expected})"))
if changed:
    sys.exit("changed: see above")
print("as described: beside rope_scaling the theta inside rope_parameters is lost")
PYTHON
