# SPDX-License-Identifier: Apache-2.0
"""A coordinator of this build, without workers."""
import os
import pathlib
import subprocess
from concurrent import futures

import grpc


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


class StandsBy(grpc.GenericRpcHandler):
    """Answers every call as a coordinator does while another leads, in a with statement."""

    def __init__(self, leader):
        self.leader = leader
        self.server = grpc.server(futures.ThreadPoolExecutor(1), handlers=(self,))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(self.refuse)

    def refuse(self, request, context):
        context.set_trailing_metadata((("lwq-leader", self.leader),))
        context.abort(grpc.StatusCode.UNAVAILABLE, f"this coordinator stands by; the one at {self.leader} leads")

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *exception):
        self.server.stop(None)
