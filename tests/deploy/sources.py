# SPDX-License-Identifier: Apache-2.0
"""What the rendered overlays were made from: one digest over every file that kustomize may read for them."""
import hashlib
import pathlib

ROOT = pathlib.Path(__file__).parents[2]
FOLDERS = ("deploy", "tests/deploy/prefixed")


def files():
    found = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.is_file()]
    return sorted(found, key=lambda p: p.relative_to(ROOT).as_posix())


def digest():
    total = hashlib.sha256()
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        total.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


if __name__ == "__main__":
    print(digest())
