# SPDX-License-Identifier: Apache-2.0
"""Every policy on every rendered overlay, and every policy on every change that must break it."""
import pathlib
import unittest

import monitoring_checks  # noqa: F401  (registers its policies)
import network_checks  # noqa: F401
import pod_checks  # noqa: F401
import reference_checks
import scaling_checks
from manifests import Cluster, load_documents
from policy import POLICIES

RENDERED = pathlib.Path(__file__).parent / "rendered"
OVERLAYS = ("dev", "gke-l4-a100", "gke-l4-a100-kueue", "eks-a100")
# Policies about references, which must hold under a name prefix and in another namespace as well.
PREFIXED = (reference_checks.own_pods, reference_checks.named_by_pods, reference_checks.one_namespace,
            reference_checks.issuers, scaling_checks.targets, scaling_checks.replicas)


def rendered(name):
    return Cluster(name, load_documents((RENDERED / f"{name}.yaml").read_text()))


class PolicyTest(unittest.TestCase):
    maxDiff = None


def add_test(name, function):
    setattr(PolicyTest, "test_" + name, function)


def holds(function, cluster):
    return lambda self: self.assertEqual([], list(function(cluster)))


def breaks(function, changes, clusters):
    def test(self):
        for broken in changes:
            fitting = [c for c in clusters if broken.fits(c)]
            self.assertTrue(fitting, f"no overlay has the object of: {broken}")
            with self.subTest(change=str(broken)):
                self.assertTrue(any(list(function(broken.applied(c))) for c in fitting), f"not seen: {broken}")

    return test


CLUSTERS = [rendered(name) for name in OVERLAYS]
for sentence, check, changes, overlays in POLICIES:
    subjects = [c for c in CLUSTERS if overlays is None or c.name in overlays]
    for subject in subjects:
        add_test(f"{subject.name}: {sentence}", holds(check, subject))
    add_test(f"what breaks it is seen: {sentence}", breaks(check, changes, subjects))
    if check in PREFIXED:
        add_test(f"prefixed: {sentence}", holds(check, rendered("prefixed")))
