# SPDX-License-Identifier: Apache-2.0
"""A coordinator of this build, without workers."""
import os
import pathlib
import subprocess


class Coordinator:
    """Its folder keeps its state and its address while it is killed and started again."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.address = "127.0.0.1:0"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [os.environ["LWQ_COORDINATOR_PROGRAM"], "--listen", self.address, "--store", f"sqlite:{self.folder}/state.db",
             "--objects", f"file://{self.folder}/objects", "--log-level", "error"],
            stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()  # written once it listens
        if " listening on " not in line:
            raise RuntimeError(f"the coordinator did not start: {line!r}, exit code {self.process.wait()}")
        self.address = line.split()[-1]
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
