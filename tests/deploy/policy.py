# SPDX-License-Identifier: Apache-2.0
"""How a check of the manifests is written: a sentence, a function that finds problems, and changes that must break it.

    @policy("every pod has a seccomp profile", change("Deployment/lwq-worker-l4", "spec...seccompProfile", GONE))
    def seccomp(cluster):
        yield "what is wrong, where"

policy_test.py runs each check on every overlay, where it must find nothing, and on each change of an overlay that has
the object, where it must find something: a check that cannot fail is no check.
"""
import copy

GONE = object()  # as a change's value: the field is taken out
POLICIES = []


class Change:
    """One field of one object (KIND/NAME) set to a value, to GONE, or to what a function makes of it."""

    def __init__(self, target, path, value):
        self.target = target
        self.path = path.split(".") if isinstance(path, str) else path
        self.value = value

    def __str__(self):
        shown = "taken out" if self.value is GONE else "changed" if callable(self.value) else f"= {self.value!r}"
        return f"{self.target} {'.'.join(map(str, self.path))} {shown}"

    def find(self, cluster):
        """KIND/NAME*: the one whose name begins so, such as a generated one, which ends in a hash."""
        kind, name = self.target.split("/", 1)
        if name.endswith("*"):
            return next((o for o in cluster.of(kind) if o["metadata"]["name"].startswith(name[:-1])), None)
        return cluster.find(kind, name)

    def fits(self, cluster):
        return self.find(cluster) is not None

    def applied(self, cluster):
        changed = copy.deepcopy(cluster)
        node = self.find(changed)
        for step in self.path[:-1]:
            node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
        last = int(self.path[-1]) if isinstance(node, list) else self.path[-1]
        if self.value is GONE:
            del node[last]
        else:
            old = node[last] if isinstance(node, list) else node.get(last)
            node[last] = self.value(old) if callable(self.value) else self.value
        return changed


def change(target, path, value):
    return Change(target, path, value)


class Added:
    """One more object."""

    def __init__(self, new):
        self.new = new

    def __str__(self):
        return f"{self.new['kind']} {self.new['metadata']['name']} added"

    def fits(self, cluster):
        return True

    def applied(self, cluster):
        changed = copy.deepcopy(cluster)
        changed.objects.append(copy.deepcopy(self.new))
        return changed


def policy(sentence, *breaks, overlays=None):
    """`overlays`: the names of those the sentence is about; all where None."""

    def register(function):
        POLICIES.append((sentence, function, breaks, overlays))
        return function

    return register


def added(new):
    return Added(new)
