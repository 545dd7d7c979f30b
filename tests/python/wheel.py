# SPDX-License-Identifier: Apache-2.0
"""The wheel of python/, built as pip builds it (PEP 517) but from what is installed, and unpacked as pip unpacks it."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def build(folder):
    """The path of the wheel in `folder`; the repository is not written to."""
    tree = pathlib.Path(folder) / "tree"
    for name in ("python", "proto"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    shutil.copy(ROOT / "CMakeLists.txt", tree)
    built = subprocess.run(
        [sys.executable, "-c", "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])", str(folder)],
        cwd=tree / "python", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if built.returncode != 0:
        raise RuntimeError(built.stdout)
    (wheel,) = pathlib.Path(folder).glob("*.whl")
    return wheel


class Installed:
    """Of this process, while it lives: the wheel in sys.path."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.wheel = build(self.folder.name)
        site = f"{self.folder.name}/site"
        with zipfile.ZipFile(self.wheel) as archive:
            self.names = archive.namelist()
            archive.extractall(site)
        sys.path.insert(0, site)
