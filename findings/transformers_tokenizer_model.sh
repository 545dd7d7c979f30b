#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# transformers 5.23.0 on a folder with a SentencePiece tokenizer.model and no tokenizer.json: no BOS, and for Mistral other ids.
#
# Expected: the pieces that the model was trained with: those of the sentencepiece library, and for LlamaTokenizer a BOS in
# front where tokenizer_config.json does not say otherwise, as transformers 4 gave.
# Seen: such a file is converted and read through the tokenizers library. LlamaTokenizer puts no BOS in front unless
# add_bos_token is true, though its documentation calls true the default; and MistralTokenizer also loses the blank that
# SentencePiece puts before the first word, so that every text starts with other ids than in training. Nothing is said.
# Who meets it: older Llama and Mistral checkpoints with tokenizer.model alone; perplexities measured through AutoTokenizer
# differ from those measured with sentencepiece, and from the same command under transformers 4.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.23.0 sentencepiece==0.2.1 protobuf==6.33.1 tiktoken==0.12.0
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error "$folder/venv/bin/python" - "$folder/model" <<'PYTHON'
import io, json, os, sys
import sentencepiece, transformers

model = sys.argv[1]
os.makedirs(model)
words = "the old man said that the sea was calm and the boat went home before the night came down".split()
sentences = [" ".join(words[i % 18:] + words[:i % 18]) + f" {i}" for i in range(400)]
trained = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(sentences), model_writer=trained, vocab_size=340, model_type="bpe", byte_fallback=True,
    normalization_rule_name="identity", remove_extra_whitespaces=False, bos_id=1, eos_id=2, unk_id=0,
    hard_vocab_limit=False, minloglevel=2)
with open(f"{model}/tokenizer.model", "wb") as file:
    file.write(trained.getvalue())
json.dump({"model_type": "llama"}, open(f"{model}/config.json", "w"))
own = sentencepiece.SentencePieceProcessor(model_file=f"{model}/tokenizer.model")


def pieces(config, text):
    json.dump(config, open(f"{model}/tokenizer_config.json", "w"))
    loaded = transformers.AutoTokenizer.from_pretrained(model)
    return loaded.convert_ids_to_tokens(loaded(text)["input_ids"])


text = "the man said"
seen = {name: pieces(config, text) for name, config in {
    "LlamaTokenizer": {"tokenizer_class": "LlamaTokenizer"},
    "LlamaTokenizer, add_bos_token true": {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True},
    "MistralTokenizer": {"tokenizer_class": "MistralTokenizer"}}.items()}
print(f"transformers {transformers.__version__}, sentencepiece {sentencepiece.__version__}; text {text!r}")
expected = own.encode(text, out_type=str)
print(f"  {'sentencepiece':36} {expected}")
for name, got in seen.items():
    print(f"  {name:36} {got}")
plain, with_bos, mistral = seen.values()
if plain != expected or with_bos != ["<s>", *expected] or mistral[0].startswith("\u2581"):
    sys.exit("changed: see above")
print("as described: no BOS unless asked for; MistralTokenizer loses the blank before the first word")
PYTHON
