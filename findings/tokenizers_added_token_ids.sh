#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tokenizers 0.23.3: the id that tokenizer.json gives an added token is ignored when the vocabulary's ids have holes.
#
# Expected: {"id": 30, "content": "<x>"} in added_tokens is token 30; the file says so, and the embedding's row 30 was trained
# for it. Or, where the number cannot be honoured, an error.
# Seen: loading gives every added token that the vocabulary lacks the next number after the *count* of entries, not after
# the largest id. Without holes both are the same. With holes "<x>" becomes 9 here, and id 30 is no token at all; nothing is
# said. A number that a vocabulary entry has already can be given a second time.
# Who meets it: vocabularies that were pruned (entries removed, ids kept so that the weights need not move), and merged
# models whose ids were aligned to a larger vocabulary.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tokenizers==0.23.3
"$folder/venv/bin/python" - <<'PYTHON'
import json, sys
import tokenizers


def load(holes):
    vocabulary = {letter: i for i, letter in enumerate("abcdefgh")}
    vocabulary["ab"] = 20
    if not holes:
        free = [i for i in range(8, 30) if i != 20]
        vocabulary.update({chr(0x100 + i): i for i in free})
    added = {"id": 30, "content": "<x>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": True}
    return tokenizers.Tokenizer.from_str(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [added], "normalizer": None,
        "pre_tokenizer": None, "post_processor": None, "decoder": None,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": [["a", "b"]]}}))


print(f"tokenizers {tokenizers.__version__}; the file gives <x> the id 30")
seen = {}
for name, holes in (("ids 0 to 29 all there", False), ("ids 8 to 19 and 21 to 29 missing", True)):
    tokenizer = load(holes)
    seen[name] = tokenizer.encode("ab<x>").ids
    print(f"  {name:34} ab<x> -> {seen[name]}, token 30 is {tokenizer.id_to_token(30)!r}")
if list(seen.values()) != [[20, 30], [20, 9]]:
    sys.exit("changed: see above")
print("as described: with holes the file's id is not used")
PYTHON
