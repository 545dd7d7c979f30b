# SPDX-License-Identifier: Apache-2.0
"""docker/ against what the manifests rely on, without building anything."""
import pathlib
import re
import unittest

from manifests import Cluster, load_documents

ROOT = pathlib.Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
VERSION = re.search(r"^project\(lwq VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE).group(1)


def last_stage(path):
    return path.read_text().rpartition("\nFROM ")[2]


class ImagesTest(unittest.TestCase):
    def test_every_image_ends_as_an_ordinary_user_of_an_empty_root(self):
        self.assertEqual(3, len(DOCKERFILES))
        for path in DOCKERFILES:
            with self.subTest(path.name):
                stage = last_stage(path)
                self.assertTrue(stage.startswith("scratch\nCOPY --from=pack /image/ /\n"), stage)
                self.assertIn("\nUSER 10001:10001\n", stage)
                self.assertNotIn("RUN ", stage)

    def test_pods_run_as_the_user_that_the_images_have(self):
        self.assertIn("USER = 10001", (ROOT / "docker/pack_runtime").read_text())
        for rendered in (ROOT / "tests/deploy/rendered").glob("*.yaml"):
            for pod in Cluster(rendered.stem, load_documents(rendered.read_text())).pods():
                with self.subTest(overlay=rendered.stem, pod=pod.name):
                    context = pod.spec["securityContext"]
                    self.assertEqual((10001, 10001, 10001),
                                     (context["runAsUser"], context["runAsGroup"], context["fsGroup"]))

    def test_labels_and_overlays_name_the_version_that_is_built(self):
        for path in DOCKERFILES:
            with self.subTest(path.name):
                self.assertIn(f'org.opencontainers.image.version="{VERSION}"', last_stage(path))
                self.assertIn('org.opencontainers.image.licenses="Apache-2.0"', last_stage(path))
        for overlay in (ROOT / "deploy/overlays").glob("*/kustomization.yaml"):
            for image in load_documents(overlay.read_text())[0].get("images", []):
                with self.subTest(overlay=overlay.parent.name, image=image["name"]):
                    self.assertEqual(VERSION, image["newTag"])

    def test_every_listening_port_of_the_manifests_is_one_the_image_names(self):
        rendered = ROOT / "tests/deploy/rendered/gke-l4-a100.yaml"
        cluster = Cluster(rendered.stem, load_documents(rendered.read_text()))
        files = {"coordinator": "coordinator", "worker": "worker-cuda"}
        for component, name in files.items():
            exposed = re.search(r"^EXPOSE (.*)$", last_stage(ROOT / f"docker/{name}.Dockerfile"), re.MULTILINE).group(1).split()
            for pod in cluster.pods_of(component):
                ports = {str(p["containerPort"]) for p in pod.containers[0]["ports"]}
                with self.subTest(pod.name):
                    self.assertLessEqual(ports, set(exposed))

    def test_a_worker_with_wheels_needs_the_packages_of_one_without_but_for_what_the_wheels_have(self):
        packages = {name: set((ROOT / "docker/packages" / name).read_text().split()) for name in ("worker-cpu", "worker-cuda")}
        self.assertEqual(packages["worker-cpu"] - {"libdnnl2", "libopenblas0-openmp", "libtorch1.13"}, packages["worker-cuda"])

    def test_every_wheel_is_pinned_by_version_and_content(self):
        lines = [line for line in (ROOT / "docker/torch-cuda.txt").read_text().splitlines() if not line.startswith("#")]
        self.assertGreater(len(lines), 10)
        for line in lines:
            self.assertRegex(line, r"^[a-z0-9-]+==[0-9.]+ --hash=sha256:[0-9a-f]{64}$")

    def test_the_stage_that_compiles_can_be_left_out(self):
        # scripts/images --programs cuts it out of the file: from its FROM to the next empty line.
        for path in DOCKERFILES:
            with self.subTest(path.name):
                cut = re.sub(r"\nFROM [^\n]* AS compile\n.*?\n\n", "\n\n", path.read_text(), flags=re.DOTALL)
                self.assertEqual(1, len(re.findall(r"--from=compile", cut)))
                self.assertNotIn("COPY . .", cut)
