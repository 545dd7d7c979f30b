# SPDX-License-Identifier: Apache-2.0
"""Runs as rows, under the names that `lwq report --csv` gives its columns. Pure."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Union

from lwqat.v1.run_pb2 import Run, RunState

if TYPE_CHECKING:
    import pandas

Cell = Union[str, int, float, None]


def state_name(run: Run) -> str:
    return RunState.Name(run.state).removeprefix("RUN_STATE_").lower()


def row_of(run: Run, labels: Mapping[str, str]) -> dict[str, Cell]:
    recipe = run.plan.recipe
    quantizes = len(run.plan.blocks) > 0
    row: dict[str, Cell] = {"run_id": run.id, "name": run.spec.name, "state": state_name(run),
                            "error": run.error or None, "model": run.spec.model.name or None,
                            "method": recipe.method or None}
    row.update({f"label_{axis}": value for axis, value in sorted(labels.items())})
    row["average_bits"] = run.plan.average_bits if quantizes else None
    row["group_size"] = recipe.group_size if quantizes else None
    row["stored_bits_per_weight"] = run.plan.stored_bits_per_weight if quantizes else None
    row["wall_seconds"] = None
    if run.HasField("finished_at"):
        row["wall_seconds"] = ((run.finished_at.seconds - run.submitted_at.seconds) +
                               (run.finished_at.nanos - run.submitted_at.nanos) / 1e9)
    row["device_seconds"] = sum(task.seconds for task in run.tasks)
    row["tasks"] = len(run.tasks)
    row["tasks_reused"] = sum(task.from_cache for task in run.tasks)
    for measured in run.measured:
        # A run that does not quantize has measured the model as it is: its own result.
        if measured.subject != "fp" or recipe.method == "none":
            row.setdefault(f"{measured.metric} {measured.dataset}", measured.value)
    row["result_digest"] = run.result_digest or None
    return row


def columns_of(rows: Iterable[Mapping[str, Cell]]) -> list[str]:
    """Of all rows, each once, in the order first seen; the digest last."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name != "result_digest"] + ["result_digest"]


def frame_of(rows: list[dict[str, Cell]]) -> "pandas.DataFrame":
    """Raises ImportError without pandas, which is not asked for otherwise."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("a DataFrame needs pandas: pip install pandas; results() has the same rows without it") from error
    columns: Any = columns_of(rows)
    return pandas.DataFrame(rows, columns=columns)
