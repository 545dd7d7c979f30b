# SPDX-License-Identifier: Apache-2.0
"""A tutorial as commands and what they should print.

Blocks marked ```bash are typed, in their order, in one shell; a block ```text directly after one is what it prints,
on standard output and error alike. Blocks marked otherwise, such as ```sh, are for people. What is printed matches line by line:

- a line of "…" stands for any lines, also none;
- between two spaces or more, any number of spaces (columns grow with what is in them);
- a number stands for any number, of any width and sign; so do times as 43.2 s, 1:31 and dates;
- a word of 8, 12 or more hexadecimal digits, with at least one digit, stands for any such word.

All else is compared as it is. So a page may show what was really printed, once, by somebody's machine.
"""
from __future__ import annotations

import dataclasses
import pathlib
import re

ANY_LINES = "…"


@dataclasses.dataclass
class Step:
    line: int  # of the page
    command: str
    expected: str | None


def steps_of(page: pathlib.Path) -> list[Step]:
    steps: list[Step] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    directly_after = False
    while at < len(lines):
        opened = re.fullmatch(r"```(\w*)", lines[at])
        if not opened:
            directly_after = directly_after and not lines[at].strip()
            at += 1
            continue
        end = lines.index("```", at + 1)
        body = "\n".join(lines[at + 1:end])
        if opened[1] == "bash":
            steps.append(Step(at + 2, body, None))
        elif opened[1] == "text":
            if not directly_after:
                raise ValueError(f"{page}:{at + 1}: an output without a command before it")
            steps[-1].expected = body
        directly_after = opened[1] == "bash"
        at = end + 1
    return steps


def shape_of(line: str) -> str:
    line = re.sub(r"\b(?=[0-9a-f]*\d)(?:[0-9a-f]{12,}|[0-9a-f]{8})\b", "<id>", line)
    line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>", line)
    line = re.sub(r"\b\d+:\d\d(:\d\d)?\b|\b\d+(\.\d+)? s\b", "<seconds>", line)
    line = re.sub(r"[-−]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?", "<number>", line)
    return re.sub(r"\s{2,}", "  ", line).strip()


def difference(expected: str, printed: str) -> str:
    """"" where it matches; else the first line of the page that does not come."""
    wanted = expected.splitlines()
    got = [shape_of(line) for line in printed.splitlines()]
    at = 0
    anywhere = False
    for line in wanted:
        if line.strip() == ANY_LINES:
            anywhere = True
            continue
        shape = shape_of(line)
        found = next((i for i in range(at, len(got)) if got[i] == shape), None) if anywhere else at
        if found is None or found >= len(got) or got[found] != shape:
            came = printed.splitlines()[at] if not anywhere and at < len(got) else "nothing like it"
            return f"the page has\n  {line}\nand there came\n  {came}"
        at = found + 1
        anywhere = False
    if not anywhere and at < len(got):
        return f"after what the page has there came\n  {printed.splitlines()[at]}"
    return ""
