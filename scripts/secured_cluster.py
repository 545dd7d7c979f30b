# SPDX-License-Identifier: Apache-2.0
"""A coordinator and workers as a platform team runs them, on this machine: mutual TLS, bearer tokens, an audit log, health
and metrics on ports of their own, tensors in S3. For scripts/check_deployment.

    with SecuredCluster(folder, binaries, objects_uri, aws) as cluster: …    all processes end with it, or with this program
"""
import importlib
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request

import grpc
import grpc_tools.protoc
from google.protobuf import message_factory
from local_programs import Authority, Program

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROLES = ("viewer", "submitter", "admin", "worker")
# What a token is for: the project of all runs here, another one, or every one.
SCOPES = {"own": ["--project", "nightly"], "other": ["--project", "research"], "all": ["--all-projects"]}


class Api:
    """Messages and calls of proto/lwqat/v1, made by protoc for this call."""

    def __init__(self, folder):
        folder.mkdir()
        files = [str(path) for path in sorted((ROOT / "proto/lwqat/v1").glob("*.proto"))]
        well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
        if grpc_tools.protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"-I{well_known}", f"--python_out={folder}", *files]) != 0:
            raise SystemExit("protoc failed")
        sys.path.insert(0, str(folder))
        self.methods = {}
        for part in ("run", "sweep", "storage", "worker"):
            module = importlib.import_module(f"lwqat.v1.{part}_service_pb2")
            for service in module.DESCRIPTOR.services_by_name.values():
                self.methods.update({f"{service.name}/{method.name}": method for method in service.methods})

    def request(self, method, **fields):
        return message_factory.GetMessageClass(self.methods[method].input_type)(**fields)

    def call(self, channel, method, request=None, token="", timeout=30):
        """The answer; of a stream its first message, or None. grpc.RpcError as it comes."""
        described = self.methods[method]
        answer_class = message_factory.GetMessageClass(described.output_type)
        make = channel.unary_stream if described.server_streaming else channel.unary_unary
        ask = make(f"/lwqat.v1.{method}", request_serializer=lambda m: m.SerializeToString(),
                   response_deserializer=answer_class.FromString)
        answer = ask(self.request(method) if request is None else request, timeout=timeout,
                     metadata=[("authorization", f"Bearer {token}")] if token else [])
        if not described.server_streaming:
            return answer
        first = next(answer, None)
        answer.cancel()
        return first


class SecuredCluster:
    def __init__(self, folder, binaries, objects_uri, aws):
        self.folder, self.binaries, self.objects_uri, self.aws = folder, binaries, objects_uri, aws
        self.workers = {}
        self.coordinator = None
        self.certificates = threading.Lock()  # of the pair `caller`, which is read in two steps here
        self.plain = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GRPC_", "LWQ_"))}
        self.authority = Authority(folder, "ca")
        self.api = Api(folder / "api")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for program in [*self.workers.values(), *([self.coordinator] if self.coordinator else [])]:
            program.kill()

    def start(self):
        for name in ("server", "user", "caller"):
            self.authority.issue(name, name)
        for role in ROLES:
            for scope in SCOPES:
                self.make_token(f"{role}-{scope}", role, SCOPES[scope])
        f = self.folder
        self.coordinator = Program(
            [self.binaries / "lwq-coordinator", "--listen", "127.0.0.1:0", "--store", f"sqlite:{f}/state.db", "--objects",
             self.objects_uri, "--tls-cert", f / "server.crt", "--tls-key", f / "server.key", "--tls-client-ca", f / "ca.crt",
             "--tokens", f / "tokens.json", "--audit-log", f / "audit.jsonl", "--health-listen", "127.0.0.1:0",
             "--metrics-listen", "127.0.0.1:0", "--log-format", "json", "--lease-seconds", "6", "--heartbeat-seconds", "1"],
            f / "coordinator.log", self.plain)  # it opens no object: it has no keys of the store
        self.address = self.coordinator.printed("lwq-coordinator listening on ")
        self.health_address = self.coordinator.printed("health on ")
        self.metrics_url = self.coordinator.printed("metrics on ")
        for number in (1, 2, 3):
            self.start_worker(f"worker-{number}")

    def make_token(self, name, role, scope, expires="90d"):
        self.run_lwq(["token", "create", name, "--tokens", self.folder / "tokens.json", "--role", role, *scope, "--expires",
                      expires, "--out", self.folder / f"{name}.token"])

    def token(self, name):
        return (self.folder / f"{name}.token").read_text().strip()

    def start_worker(self, name):
        """A cache, a certificate and a token of its own."""
        f = self.folder
        self.authority.issue(name, name)
        self.make_token(name, "worker", SCOPES["all"])
        self.workers[name] = Program(
            [self.binaries / "lwq-worker", "--coordinator", self.address, "--name", name, "--cache-dir", f / f"cache-{name}",
             "--max-threads", "1", "--tls-ca", f / "ca.crt", "--tls-cert", f / f"{name}.crt", "--tls-key", f / f"{name}.key",
             "--token-file", f / f"{name}.token", "--metrics-listen", "127.0.0.1:0", "--log-format", "json"],
            f / f"{name}.log", {**self.plain, **self.aws})

    # --- callers ------------------------------------------------------------------------------------------------------

    def environment(self, token):
        f = self.folder
        return {**self.plain, **self.aws, "LWQ_COORDINATOR": self.address, "LWQ_TOKEN_FILE": str(f / f"{token}.token"),
                "LWQ_TLS_CA": str(f / "ca.crt"), "LWQ_TLS_CERT": str(f / "user.crt"), "LWQ_TLS_KEY": str(f / "user.key")}

    def lwq_argv(self, arguments):
        return [str(self.binaries / "lwq"), *map(str, arguments)]

    def run_lwq(self, arguments, token=None, check=True):
        """lwq as the holder of a token; without one as a program that names no coordinator."""
        done = subprocess.run(self.lwq_argv(arguments), capture_output=True, text=True, timeout=600, check=False,
                              env=self.environment(token) if token else {**self.plain, **self.aws})
        if check and done.returncode != 0:
            raise RuntimeError(f"lwq {' '.join(map(str, arguments[:2]))}: exit code {done.returncode}: {done.stderr[-500:]}")
        return done

    def channel(self, pair="user", authority=None):
        """A connection of its own. `pair` None: without a certificate; `authority`: the CA that the caller trusts."""
        def read(name):
            return (self.folder / name).read_bytes()
        with self.certificates:
            shown = {} if pair is None else {"private_key": read(f"{pair}.key"), "certificate_chain": read(f"{pair}.crt")}
        trusted = read("ca.crt") if authority is None else authority.cert.read_bytes()
        return grpc.secure_channel(self.address, grpc.ssl_channel_credentials(root_certificates=trusted, **shown),
                                   options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)])

    def rotate(self, name, subject):
        if name != "caller":
            return self.authority.issue(name, subject)
        with self.certificates:
            return self.authority.issue(name, subject)

    def served_serial(self):
        """Of the certificate that the coordinator shows now."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.load_cert_chain(self.folder / "user.crt", self.folder / "user.key")
        context.set_alpn_protocols(["h2"])
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname=host) as encrypted:
                return int(encrypted.getpeercert()["serialNumber"], 16)

    # --- what it shows ------------------------------------------------------------------------------------------------

    def health(self):
        """SERVING is 1 (grpc.health.v1); asked in plaintext, as a kubelet does."""
        with grpc.insecure_channel(self.health_address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            return channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=20) == b"\x08\x01"

    def metric(self, name):
        """The sum of a metric's series."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        page = opener.open(self.metrics_url, timeout=20).read().decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^\n]*\}})? (\S+)$", page, re.MULTILINE))

    def audit_lines(self):
        return (self.folder / "audit.jsonl").read_text().splitlines()
