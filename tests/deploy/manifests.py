# SPDX-License-Identifier: Apache-2.0
"""Rendered manifests as the checks see them: strict YAML, objects by kind and name, and pods with their labels.

Strict means what kubectl lets pass without a word: a key that is given twice (the last one wins there), and plain words
that YAML 1.1 reads as booleans (y, no, on, ...), are refused here.
"""
import re

import yaml

BOOLEAN_WORDS = re.compile(r"^(y|n|yes|no|on|off)$", re.IGNORECASE)


class ManifestError(ValueError):
    pass


class _StrictLoader(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise ManifestError(f"line {key_node.start_mark.line + 1}: the key '{key}' is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _refuse_boolean_word(loader, node):
    if BOOLEAN_WORDS.match(node.value):
        raise ManifestError(f"line {node.start_mark.line + 1}: '{node.value}' is a boolean in YAML 1.1; quote it")
    return loader.construct_yaml_bool(node)


def _refuse_boolean_letter(loader, node):
    # PyYAML reads y and n as strings, kubectl as booleans.
    if node.style is None and node.value in ("y", "n", "Y", "N"):
        raise ManifestError(f"line {node.start_mark.line + 1}: '{node.value}' is a boolean in YAML 1.1; quote it")
    return loader.construct_yaml_str(node)


_StrictLoader.add_constructor("tag:yaml.org,2002:bool", _refuse_boolean_word)
_StrictLoader.add_constructor("tag:yaml.org,2002:str", _refuse_boolean_letter)


def load_documents(text):
    """Every document of a text. ManifestError says the line of what is refused."""
    return [document for document in yaml.load_all(text, Loader=_StrictLoader) if document is not None]


class Pod:
    """A pod template with what owns it."""

    def __init__(self, owner):
        spec = owner["spec"]
        template = (spec["jobTemplate"]["spec"] if owner["kind"] == "CronJob" else spec)["template"]
        self.owner = owner
        self.name = f"{owner['kind']}/{owner['metadata']['name']}"
        self.labels = template["metadata"].get("labels", {})
        self.spec = template["spec"]

    @property
    def ends_by_itself(self):
        return self.owner["kind"] in ("Job", "CronJob")

    @property
    def containers(self):
        return self.spec["containers"]

    @property
    def all_containers(self):
        return self.spec.get("initContainers", []) + self.containers

    def flag(self, name):
        """The value of --name=VALUE of any container; "" for a flag without one; None where it is not given."""
        for container in self.containers:
            for argument in container.get("args", []):
                if argument == f"--{name}":
                    return ""
                if argument.startswith(f"--{name}="):
                    return argument.split("=", 1)[1]
        return None

    def port(self, name):
        """The number of a named container port, or None."""
        for container in self.containers:
            for port in container.get("ports", []):
                if port.get("name") == name:
                    return port["containerPort"]
        return None

    def gpus(self):
        return sum(int(c.get("resources", {}).get("limits", {}).get("nvidia.com/gpu", 0)) for c in self.containers)


class Cluster:
    """All objects of one overlay."""

    def __init__(self, name, objects):
        self.name = name
        self.objects = objects

    def of(self, *kinds):
        return [o for o in self.objects if o["kind"] in kinds]

    def find(self, kind, name):
        return next((o for o in self.of(kind) if o["metadata"]["name"] == name), None)

    def pods(self):
        return [Pod(o) for o in self.of("Deployment", "StatefulSet", "Job", "CronJob", "DaemonSet")]

    def pods_of(self, component):
        return [p for p in self.pods() if p.labels.get("app.kubernetes.io/component") == component]

    @property
    def coordinator(self):
        return self.pods_of("coordinator")[0]


def matches(selector, labels):
    """Kubernetes' label selectors; an empty one selects everything, an absent one (None) nothing."""
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions", []):
        present = term["key"] in labels
        value = labels.get(term["key"])
        holds = {
            "In": present and value in term.get("values", []),
            "NotIn": not present or value not in term.get("values", []),
            "Exists": present,
            "DoesNotExist": not present,
        }[term["operator"]]
        if not holds:
            return False
    return True


_UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def quantity(text):
    """A Kubernetes quantity as a number."""
    match = re.fullmatch(r"([0-9.]+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?", str(text))
    if match is None:
        raise ManifestError(f"'{text}' is no quantity")
    return float(match.group(1)) * _UNITS[match.group(2) or ""]


def go_duration(text):
    """A Go duration in seconds; ManifestError for what Go refuses, such as 90d."""
    if not re.fullmatch(r"([0-9]+(\.[0-9]+)?(h|m|s|ms))+", text):
        raise ManifestError(f"'{text}' is no Go duration: hours are the largest unit")
    seconds = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3}
    return sum(float(n) * seconds[u] for n, u in re.findall(r"([0-9.]+)(ms|h|m|s)", text))
