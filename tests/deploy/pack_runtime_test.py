# SPDX-License-Identifier: Apache-2.0
"""What docker/pack_runtime takes from a folder of wheels."""
import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

ROOT = pathlib.Path(__file__).parents[2]


def load(path):
    loader = importlib.machinery.SourceFileLoader(path.name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(path.name, loader))
    loader.exec_module(module)
    return module


PACK = load(ROOT / "docker/pack_runtime")


class WheelsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.wheels = pathlib.Path(folder.name)

    def install(self, name, version, *files):
        for file in files:
            path = self.wheels / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        information = self.wheels / f"{name}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n\nText: no\n")
        (information / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))

    def taken(self, *leave_out):
        libraries = PACK.libraries_in(self.wheels, leave_out)
        return [str(path.relative_to(self.wheels)) for path in libraries], PACK.wheels_of(libraries, self.wheels)

    def test_shared_libraries_alone_are_taken_and_wheels_without_one_are_not_listed(self):
        self.install("torch", "2.15.0", "torch/lib/libtorch.so", "torch/lib/libgomp.so.1", "torch/__init__.py")
        self.install("cccl", "13.3", "cccl/algorithm.sort_heap.h", "cccl/all.so.txt")
        self.assertEqual((["torch/lib/libgomp.so.1", "torch/lib/libtorch.so"], [("torch", "2.15.0")]), self.taken())

    def test_what_is_left_out_is_neither_taken_nor_listed(self):
        self.install("torch", "2.15.0", "torch/lib/libtorch.so", "torch/lib/libtorch_python.so")
        self.install("nvvm", "13.2", "nvidia/cu13/nvvm/lib64/libnvvm.so.4")
        self.assertEqual((["torch/lib/libtorch.so"], [("torch", "2.15.0")]),
                         self.taken("nvidia/cu13/nvvm/*", "torch/lib/libtorch_python.so"))

    def test_names_without_a_version_are_taken_with_the_library_that_they_lead_to(self):
        self.install("nvrtc", "13.2", "nvidia/cu13/lib/libnvrtc.so.13")
        (self.wheels / "nvidia/cu13/lib/libnvrtc.so").symlink_to("libnvrtc.so.13")
        self.assertEqual((["nvidia/cu13/lib/libnvrtc.so", "nvidia/cu13/lib/libnvrtc.so.13"], [("nvrtc", "13.2")]), self.taken())
