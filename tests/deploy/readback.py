# SPDX-License-Identifier: Apache-2.0
"""What was applied against what the API server has: it may add fields, and must not drop or change one."""


def lost_fields(applied, live, path=""):
    """Every field that was applied and is not there, or is another."""
    if isinstance(applied, dict):
        if not isinstance(live, dict):
            yield f"{path}: {live!r}"
            return
        for key, value in applied.items():
            if key not in live:
                if value not in ({}, [], None):
                    yield f"{path}.{key} vanished"
            else:
                yield from lost_fields(value, live[key], f"{path}.{key}")
    elif isinstance(applied, list):
        if not isinstance(live, list) or len(live) != len(applied):
            yield f"{path}: {len(applied)} items became {len(live) if isinstance(live, list) else live!r}"
            return
        for i, (value, there) in enumerate(zip(applied, live)):
            yield from lost_fields(value, there, f"{path}[{i}]")
    elif applied != live:
        yield f"{path}: {applied!r} became {live!r}"
