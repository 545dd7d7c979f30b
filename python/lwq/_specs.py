# SPDX-License-Identifier: Apache-2.0
"""Runs as people write them, mappings or YAML, to messages. Pure but for reading the file."""
from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Optional, Union

from google.protobuf.descriptor import FieldDescriptor

from lwq.errors import InputNotUploadedError, InvalidArgumentError
from lwqat.v1.run_pb2 import Run
from lwqat.v1.spec_pb2 import Recipe, RunSpec
from lwqat.v1.sweep_pb2 import Halving, SweepSpec

RunLike = Union[RunSpec, Mapping[str, Any], str, "os.PathLike[str]"]

# Keys of a run file that name something on the disk of who wrote it.
_INPUTS = ("model", "calib_dataset", "eval_texts", "eval_tasks", "sensitivity_file")
_OF_SUBMISSION = ("net", "real_quant", "save_quant_dir")  # what the program lwq does around a run
_OF_SWEEPS = ("base", "arms", "axes", "seeds", "only_if", "exclude", "models", "search", "budget")
_REPEATED = 3  # FieldDescriptor.LABEL_REPEATED, whose name newer versions of protobuf took away


def _scalars(descriptor: Any) -> dict[str, Any]:
    return {field.name: field for field in descriptor.fields if field.message_type is None and not _is_list(field)}


def _is_list(field: Any) -> bool:
    is_repeated = getattr(field, "is_repeated", None)
    return bool(field.label == _REPEATED if is_repeated is None else is_repeated)


_RECIPE = _scalars(Recipe.DESCRIPTOR)
_SPEC = _scalars(RunSpec.DESCRIPTOR)


def _value(key: str, field: Any, value: Any) -> Any:
    """What the field holds; as in a run file "1e-4" is a number, and a list of integers the text "2,3"."""
    kind = field.cpp_type
    try:
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            if isinstance(value, bool):
                return value
            return {"true": True, "false": False}[str(value).lower()]
        if isinstance(value, bool):
            raise ValueError
        if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64):
            if isinstance(value, float) and not value.is_integer():
                raise ValueError
            return int(value)
        if kind == FieldDescriptor.CPPTYPE_DOUBLE:
            return float(value)
        if isinstance(value, (list, tuple)):
            return ",".join(str(part) for part in value)
        if isinstance(value, (str, int, float)):
            return str(value)
        raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        expected = {FieldDescriptor.CPPTYPE_BOOL: "true or false", FieldDescriptor.CPPTYPE_INT32: "an integer",
                    FieldDescriptor.CPPTYPE_INT64: "an integer", FieldDescriptor.CPPTYPE_DOUBLE: "a number"}
        raise InvalidArgumentError(f"{key}: expected {expected.get(kind, 'a text')}, got {value!r:.60}") from None


def _unknown(key: str) -> InvalidArgumentError:
    near = difflib.get_close_matches(key, [*_RECIPE, *_SPEC, "kind_classes"], n=1)
    return InvalidArgumentError(f'unknown key "{key:.60}"' + (f"; did you mean {near[0]}?" if near else
                                                              "; docs/recipe.md lists the keys"))


def _read_yaml(path: Union[str, "os.PathLike[str]"]) -> Any:
    try:
        import yaml
    except ImportError:
        raise InvalidArgumentError(f"{os.fspath(path)}: reading YAML needs PyYAML: pip install pyyaml, "
                                   "or give the run as a mapping") from None
    try:
        with open(path, encoding="utf-8") as file:
            return yaml.safe_load(file)
    except OSError as error:
        raise InvalidArgumentError(f"{os.fspath(path)}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{os.fspath(path)}: is no YAML: {' '.join(str(error).split())}") from error


def _take_inputs(source: Run, spec: RunSpec) -> None:
    given = source.spec
    if given.HasField("model"):
        spec.model.CopyFrom(given.model)
    if given.HasField("calibration"):
        spec.calibration.CopyFrom(given.calibration)
    spec.eval_texts.extend(given.eval_texts)
    spec.eval_tasks.extend(given.eval_tasks)


def _set(key: str, value: Any, spec: RunSpec) -> None:
    if key in _INPUTS:
        raise InputNotUploadedError(
            f"{key}: this client uploads nothing; submit a run with these inputs once, by lwq submit, "
            "and name it as inputs_of")
    if key in _OF_SUBMISSION:
        raise InvalidArgumentError(f"{key}: is of the program lwq; leave it out")
    if key in _OF_SWEEPS:
        raise InvalidArgumentError(f"{key}: is of sweep and tune files, which lwq sweep and lwq tune take; "
                                   "from Python give a list of runs, as lwq.grid makes one")
    try:
        if key == "kind_classes" and isinstance(value, Mapping):
            for kind, name in value.items():
                spec.kind_classes[str(kind)] = str(name)
        elif key in _RECIPE:
            setattr(spec.recipe, key, _value(key, _RECIPE[key], value))
        elif key in _SPEC:
            setattr(spec, key, _value(key, _SPEC[key], value))
        else:
            raise _unknown(key)
    except ValueError as error:  # of protobuf: out of the field's range
        raise InvalidArgumentError(f"{key}: {error}") from error


def run_spec(run: RunLike, inputs: Optional[Run]) -> RunSpec:
    """With the model and texts of `inputs`, if any. Raises InvalidArgumentError."""
    if isinstance(run, RunSpec):
        spec = RunSpec()
        spec.CopyFrom(run)
        if inputs is not None:
            _take_inputs(inputs, spec)
        return spec
    keys = run if isinstance(run, Mapping) else _read_yaml(run)
    if not isinstance(keys, Mapping):
        raise InvalidArgumentError(f"{run!r:.60}: a run is a mapping of keys to values")
    spec = RunSpec()
    if inputs is not None:
        _take_inputs(inputs, spec)
    for key, value in keys.items():
        _set(str(key), value, spec)
    if not spec.name:
        method = spec.recipe.method or "block_ap"
        spec.name = f"{spec.model.name}-{method}" if spec.model.name else method
    return spec


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return ",".join(map(_label, value)) if isinstance(value, (list, tuple)) else str(value)


def grid(base: Optional[Mapping[str, Any]] = None, **axes: Sequence[Any]) -> list[dict[str, Any]]:
    """Every combination of the axes' values, the last axis fastest, each with the keys of `base`.

    >>> grid({"method": "rtn"}, wbits=[2, 3])
    [{'method': 'rtn', 'wbits': 2}, {'method': 'rtn', 'wbits': 3}]
    """
    return [{**(base or {}), **dict(zip(axes, values))} for values in itertools.product(*axes.values())]


def _differing(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for key in dict.fromkeys(key for run in runs for key in run):
        if key != "name" and any(run.get(key) != runs[0].get(key) for run in runs):
            yield key


def sweep_spec(name: str, runs: Iterable[Mapping[str, Any]], inputs: Optional[Run],
               halving: Optional[Mapping[str, Any]]) -> SweepSpec:
    """Labels are the keys in which the runs differ; a run without a name is called by the sweep's and its labels."""
    listed = list(runs)
    axes = list(_differing(listed))
    sweep = SweepSpec(name=name)
    for run in listed:
        labels = {key: _label(run[key]) for key in axes if key in run}
        told = " ".join([name, *(f"{key}={value}" for key, value in labels.items())])
        spec = run_spec({"name": told, **run}, inputs)
        sweep.runs.add(spec=spec, labels=labels)
    if halving is not None:
        try:
            sweep.halving.CopyFrom(Halving(**halving))
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(f"halving: {error}") from error
    return sweep
