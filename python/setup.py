# SPDX-License-Identifier: Apache-2.0
"""Makes the modules lwqat.v1.*_pb2 and their types from proto/lwqat/v1 when the wheel is built.

A module holds the descriptor of its file and no code of protoc's, which would run with some versions of protobuf alone
(docs/adr/0044-python-client.md).
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
MODULE = '''# SPDX-License-Identifier: Apache-2.0
"""Made by python/setup.py from {name}."""
{imports}from lwq._wire import load

load(globals(), {descriptor!r})
'''


def protoc(*arguments):
    """Of grpcio-tools, which pip brings, or the one that is installed."""
    try:
        import grpc_tools  # noqa: F401
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{pathlib.Path(grpc_tools.__file__).parent / '_proto'}"]
    except ImportError:
        if shutil.which("protoc") is None:
            raise SystemExit("lwq: building needs protoc; install grpcio-tools, or Debian's protobuf-compiler") from None
        command = ["protoc"]
    subprocess.run([*command, f"-I{PROTO}", *map(str, arguments)], check=True)


def module_of(path):
    return path.removesuffix(".proto").replace("/", ".") + "_pb2"


def make_messages(folder):
    files = sorted(PROTO.glob("lwqat/v1/*.proto"))
    if not files:
        raise SystemExit(f"lwq: {PROTO} has no messages; build from the repository: pip install ./python")
    for file in files:
        name = file.relative_to(PROTO).as_posix()
        with tempfile.TemporaryDirectory() as scratch:
            descriptor = pathlib.Path(scratch) / "set"
            protoc(f"--descriptor_set_out={descriptor}", f"--pyi_out={folder}", name)
            imports = "".join(f"import {module_of(path)}  # noqa: F401\n"
                              for path in re.findall(r'^import "([^"]+)";', file.read_text(), re.MULTILINE))
            target = pathlib.Path(folder) / (module_of(name).replace(".", "/") + ".py")
            target.write_text(MODULE.format(name=name, imports=imports, descriptor=descriptor.read_bytes()))


class BuildWithMessages(build_py):
    def run(self):
        super().run()
        make_messages(self.build_lib)


def version():
    return re.search(r"VERSION (\d+\.\d+\.\d+)", (ROOT / "CMakeLists.txt").read_text()).group(1)


setup(version=version(), cmdclass={"build_py": BuildWithMessages})
