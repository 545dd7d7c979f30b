# SPDX-License-Identifier: Apache-2.0
"""The sources of the manifests: strict YAML, all of it used, and the rendered copies made from just these."""
import pathlib
import re
import unittest

import sources
from manifests import ManifestError, go_duration, load_documents, quantity

RENDERED = pathlib.Path(__file__).parent / "rendered"


def kustomizations():
    for path in sources.files():
        if path.name == "kustomization.yaml":
            yield path, load_documents(path.read_text())[0]


class SourcesTest(unittest.TestCase):
    def test_the_rendered_overlays_were_made_from_these_sources(self):
        for path in sorted(RENDERED.glob("*.yaml")):
            with self.subTest(path.name):
                stated = re.search(r"^# Sources: ([0-9a-f]{64})$", path.read_text(), re.MULTILINE)
                self.assertIsNotNone(stated)
                self.assertEqual(stated.group(1), sources.digest(), "run scripts/render_deploy and look at the difference")

    def test_every_overlay_is_rendered(self):
        overlays = {p.parent.name for p, _ in kustomizations() if p.parent.parent.name == "overlays"}
        self.assertEqual(overlays | {"prefixed"}, {p.stem for p in RENDERED.glob("*.yaml")})

    def test_every_yaml_file_is_strict(self):
        for path in sources.files():
            if path.suffix == ".yaml":
                with self.subTest(path.name):
                    load_documents(path.read_text())

    def test_every_file_is_used_by_a_kustomization(self):
        used = set()
        for path, content in kustomizations():
            used.add(path)
            for key in ("resources", "components", "configurations"):
                used |= {(path.parent / name).resolve() for name in content.get(key, [])}
            used |= {(path.parent / p["path"]).resolve() for p in content.get("patches", []) if "path" in p}
            for generator in content.get("configMapGenerator", []):
                used |= {(path.parent / name).resolve() for name in generator.get("files", [])}
        used |= {p / "kustomization.yaml" for p in used if p.is_dir()}
        tops = {p for p, _ in kustomizations() if p.parent.parent.name == "overlays" or p.parent.name == "prefixed"}
        for path in sources.files():
            if path.name == "metrics.yaml":  # for the tests alone
                continue
            with self.subTest(path.name):
                self.assertIn(path, used)
        reached = set()
        queue = list(tops)
        while queue:
            path = queue.pop()
            reached.add(path)
            content = load_documents(path.read_text())[0]
            for name in content.get("resources", []) + content.get("components", []):
                below = (path.parent / name).resolve() / "kustomization.yaml"
                if below.exists() and below not in reached:
                    queue.append(below)
        self.assertEqual({p for p, _ in kustomizations()}, reached, "a kustomization that no overlay uses")

    def test_no_kustomization_writes_labels_into_selectors(self):
        for path, content in kustomizations():
            with self.subTest(str(path)):
                self.assertNotIn("commonLabels", content)
                for label in content.get("labels", []):
                    self.assertFalse(label.get("includeSelectors", False))
                    self.assertTrue(label.get("includeTemplates", False))

    def test_the_rendered_overlays_are_strict_yaml(self):
        for path in sorted(RENDERED.glob("*.yaml")):
            with self.subTest(path.name):
                self.assertGreater(len(load_documents(path.read_text())), 10)


class LoaderTest(unittest.TestCase):
    def test_a_key_that_is_given_twice_is_refused_with_its_line(self):
        with self.assertRaisesRegex(ManifestError, "line 3: the key 'a' is given twice"):
            load_documents("a: 1\nb: 2\na: 3\n")
        with self.assertRaises(ManifestError):
            load_documents("x:\n- {name: a, name: b}\n")

    def test_plain_words_that_are_booleans_in_yaml_1_1_are_refused(self):
        for word in ("no", "on", "yes", "OFF"):
            with self.subTest(word), self.assertRaisesRegex(ManifestError, "quote it"):
                load_documents(f"image: {word}\n")
        self.assertEqual([{"a": True, "b": "no"}], load_documents('a: true\nb: "no"\n'))

    def test_plain_y_and_n_are_refused_as_well(self):
        # PyYAML reads them as strings, kubectl as booleans.
        for word in ("y", "n", "Y", "N"):
            with self.subTest(word), self.assertRaisesRegex(ManifestError, "quote it"):
                load_documents(f"image: {word}\n")
        self.assertEqual([{"a": "y"}], load_documents("a: 'y'\n"))

    def test_quantities_are_numbers(self):
        self.assertEqual(2**31, quantity("2Gi"))
        self.assertEqual(0.25, quantity("250m"))
        self.assertEqual(2, quantity(2))
        with self.assertRaises(ManifestError):
            quantity("2GiB")

    def test_go_durations_have_no_days(self):
        self.assertEqual(5400, go_duration("1h30m"))
        with self.assertRaises(ManifestError):
            go_duration("90d")
