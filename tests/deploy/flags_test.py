# SPDX-License-Identifier: Apache-2.0
"""Every flag that a manifest gives is one that the program has."""
import pathlib
import re
import unittest

from manifests import Cluster, load_documents

ROOT = pathlib.Path(__file__).parents[2]
PROGRAMS = {"coordinator": ["coordinator/service/main.cc"], "worker": ["worker/daemon/main.cc"],
            "gc": ["client/verbs/gc.cc", "client/verbs/verb.cc"]}


def flags_of(component):
    return {flag for source in PROGRAMS[component] for flag in re.findall(r'"--([a-z-]+)', (ROOT / source).read_text())}


class FlagsTest(unittest.TestCase):
    def test_every_flag_of_the_manifests_is_one_of_the_program(self):
        for rendered in sorted((ROOT / "tests/deploy/rendered").glob("*.yaml")):
            cluster = Cluster(rendered.stem, load_documents(rendered.read_text()))
            for component in PROGRAMS:
                for pod in cluster.pods_of(component):
                    given = {a.removeprefix("--").partition("=")[0] for a in pod.containers[0]["args"] if a.startswith("--")}
                    with self.subTest(overlay=rendered.stem, pod=pod.name):
                        self.assertEqual(set(), given - flags_of(component))

    def test_a_flag_that_no_program_has_would_be_seen(self):
        self.assertIn("scaler-listen", flags_of("coordinator"))
        self.assertIn("cache-dir", flags_of("worker"))
        self.assertIn("grace", flags_of("gc"))
        self.assertNotIn("scaler_listen", flags_of("coordinator"))
