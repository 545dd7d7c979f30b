#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# transformers 5.23.0 with tokenizers 0.23.3: which pre-tokenizer cuts a text depends on `tokenizer_class`.
#
# Expected: a model's tokenizer.json says how a text is cut into words, and tokenizer_config.json's class name does not
# matter, as for the `*Fast` classes of transformers 4.
# Seen: for LlamaTokenizerFast, PreTrainedTokenizerFast and names it does not know, transformers uses the file's
# pre_tokenizer; for GPT2Tokenizer, Qwen2Tokenizer and GPTNeoXTokenizer (with or without "Fast") it takes only vocabulary
# and merges from the file and puts the class's own pre_tokenizer in its place, without a word. The same tokenizer.json, whose
# pre_tokenizer keeps digits apart, so gives "12345" as five tokens under one class name and as fewer under another.
# Who meets it: published models whose class is GPT2Tokenizer and whose file has Digits in front (SmolLM2's layout),
# fine-tunes that changed the pre_tokenizer of a Qwen model, and every check of another tokenizer implementation
# against AutoTokenizer. The tokenizers library alone, on the file, is the judge that does not change with the name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tokenizers==0.23.3 transformers==5.23.0
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder/model" <<'PYTHON'
import json, os, sys
import tokenizers, transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

model = sys.argv[1]
os.makedirs(model)
words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
made = Tokenizer(models.BPE())
made.pre_tokenizer = words
made.decoder = decoders.ByteLevel()
made.train_from_iterator(["the year 12345 and the year 12346 "] * 50, trainers.BpeTrainer(
    vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<s>", "</s>"],
    show_progress=False))
made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words])
made.save(f"{model}/tokenizer.json")
json.dump({"model_type": "llama"}, open(f"{model}/config.json", "w"))

text = "the year 12345"
by_file = made.encode(text).tokens
print(f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}")
print(f"{'tokenizer.json by the tokenizers library':42} {by_file}")
followed = {}
for name in ("PreTrainedTokenizerFast", "LlamaTokenizerFast", "GPT2Tokenizer", "GPT2TokenizerFast", "GPTNeoXTokenizer",
             "Qwen2Tokenizer"):
    json.dump({"tokenizer_class": name, "bos_token": "<s>", "eos_token": "</s>"},
              open(f"{model}/tokenizer_config.json", "w"))
    loaded = transformers.AutoTokenizer.from_pretrained(model)
    tokens = loaded.convert_ids_to_tokens(loaded(text)["input_ids"])
    kinds = json.loads(loaded.backend_tokenizer.to_str())["pre_tokenizer"]
    steps = [step["type"] for step in kinds.get("pretokenizers", [kinds])]
    followed[name] = steps == ["Digits", "ByteLevel"]
    print(f"{name:42} {tokens}  pre_tokenizer: {' + '.join(steps)}")
expected = {"PreTrainedTokenizerFast": True, "LlamaTokenizerFast": True, "GPT2Tokenizer": False,
            "GPT2TokenizerFast": False, "GPTNeoXTokenizer": False, "Qwen2Tokenizer": False}
if followed != expected:
    sys.exit(f"changed: whether the file's pre_tokenizer is used is now {followed}")
print("as described: three of the names keep the file's pre_tokenizer away")
PYTHON
