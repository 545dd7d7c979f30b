# SPDX-License-Identifier: Apache-2.0
"""Real S3 servers for scripts/s3_conformance, s3_bench and check_deployment, on free ports of this machine, in scratch folders.

    with start("versitygw") as server: …     server.endpoint; keys AKTEST / SKTEST; bucket "bucket"
    python3 scripts/s3_servers.py versitygw COMMAND…     runs the command meanwhile, with AWS_*; {} in it is the bucket's URI

versitygw comes from the Go module proxy and moto from PyPI, pinned, under build/; radosgw from Debian's packages, as root.
"""
import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
VERSITYGW = "v1.8.0"
PACKAGES = ["boto3==1.44.5", "moto[server]==5.2.5"]
CEPH_PACKAGES = ["ceph-mon", "ceph-osd", "radosgw", "ceph-common"]
KEY, SECRET = "AKTEST", "SKTEST"


class Server:
    def __init__(self, name, version, endpoint, holds_nested_keys=True, files=None):
        self.name, self.version, self.endpoint, self.holds_nested_keys = name, version, endpoint, holds_nested_keys
        self.files = files  # the folder where each object of the bucket is a file; None where objects are none
        self.processes = []

    def cpu_seconds(self):
        """That all its processes have used so far."""
        stats = [pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split() for process in self.processes]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")

    def environment(self):
        return {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}

    def client(self, **config):
        import boto3
        from botocore.config import Config
        return boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                            region_name="us-east-1", config=Config(s3={"addressing_style": "path"}, **config))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            sys.exit(f"{process.args[0]} ended with {process.returncode}")
        time.sleep(0.1)
    sys.exit(f"{process.args[0]} does not listen after {seconds} s")


def versitygw(folder, processes):
    binary = ROOT / "build" / "s3" / "bin" / "versitygw"
    if not binary.exists():
        print(f"building versitygw {VERSITYGW} under build/s3", flush=True)
        subprocess.run(["go", "install", f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"], check=True,
                       env={**os.environ, "GOBIN": str(binary.parent)})
    (folder / "data").mkdir()
    port = free_port()
    log = open(folder / "log", "w")
    processes.append(subprocess.Popen(
        [binary, "--port", f"127.0.0.1:{port}", "--access", KEY, "--secret", SECRET, "posix", folder / "data"],
        stdout=log, stderr=log))
    wait_for(port, processes[-1])
    return Server("versitygw", VERSITYGW, f"http://127.0.0.1:{port}", holds_nested_keys=False, files=folder / "data" / "bucket")


def moto(folder, processes):
    port = free_port()
    log = open(folder / "log", "w")
    processes.append(subprocess.Popen([pathlib.Path(sys.prefix) / "bin" / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
                                      stdout=log, stderr=log))
    wait_for(port, processes[-1])
    return Server("moto", PACKAGES[1].partition("==")[2], f"http://127.0.0.1:{port}")


CEPH_CONF = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
run dir = {folder}
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
keyring = {folder}/keyring
ms bind ipv6 = false
auth allow insecure global id reclaim = false
mon osd reporter subtree level = osd
mon data avail warn = 1
mon data avail crit = 0
[mon]
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw dns name = localhost
rgw enable usage log = false
"""


def radosgw(folder, processes):
    """One monitor, one object daemon in memory, one gateway."""
    if not all(shutil.which(program) for program in ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin")):
        print("installing", *CEPH_PACKAGES, flush=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *CEPH_PACKAGES], check=True,
                       stdout=subprocess.DEVNULL)
    for name in ("mon", "osd"):
        (folder / name).mkdir()
    port, v1, v2 = free_port(), free_port(), free_port()
    conf = folder / "ceph.conf"
    fsid = str(uuid.uuid4())
    conf.write_text(CEPH_CONF.format(fsid=fsid, folder=folder, port=port, v1=v1, v2=v2))
    log = open(folder / "log", "w")

    def call(*command, stdin=None):
        return subprocess.run(command, check=True, input=stdin, stdout=subprocess.PIPE, stderr=log, text=True).stdout

    def launch(*command):
        processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def until(condition, what):
        for _ in range(300):
            if condition():
                return
            time.sleep(0.2)
        sys.exit(f"radosgw: {what} does not come up; see {folder}/log")

    keyring = f"{folder}/keyring"
    call("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    call("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *",
         "--cap", "mgr", "allow *")
    call("ceph-authtool", keyring, "--gen-key", "-n", "client.rgw", "--cap", "mon", "allow *", "--cap", "osd", "allow *")
    call("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]",
         f"{folder}/monmap")
    ceph = ("ceph", "-c", conf)
    call("ceph-mon", "-c", conf, "--mkfs", "-i", "a", "--monmap", f"{folder}/monmap", "--keyring", keyring)
    launch("ceph-mon", "-c", conf, "-i", "a", "-f")
    until(lambda: subprocess.run(["timeout", "5", *ceph, "-s"], stdout=log, stderr=log).returncode == 0, "the monitor")
    osd = str(uuid.uuid4())
    secret = call("ceph-authtool", "--gen-print-key").strip()
    call("ceph-authtool", "--create-keyring", f"{folder}/osd/keyring", "-n", "osd.0", "--add-key", secret)
    call(*ceph, "osd", "new", osd, "-i", "-", stdin=f'{{"cephx_secret":"{secret}"}}')
    call("ceph-osd", "-c", conf, "-i", "0", "--keyring", f"{folder}/osd/keyring", "--mkfs", "--osd-uuid", osd)
    call(*ceph, "osd", "crush", "add", "0", "1.0", "root=default", "host=localhost")
    launch("ceph-osd", "-c", conf, "-i", "0", "--keyring", f"{folder}/osd/keyring", "-f")
    until(lambda: "1 up" in call(*ceph, "osd", "stat"), "the object daemon")
    launch("radosgw", "-c", conf, "-n", "client.rgw", "--keyring", keyring, "-f")
    wait_for(port, processes[-1])
    call("radosgw-admin", "-c", conf, "user", "create", "--uid=t", "--display-name=t", f"--access-key={KEY}",
         f"--secret-key={SECRET}")
    version = call("radosgw", "--version").split()[2]
    return Server("radosgw", version, f"http://127.0.0.1:{port}")


STARTERS = {"versitygw": versitygw, "radosgw": radosgw, "moto": moto}


@contextlib.contextmanager
def start(name):
    """The server with its bucket; ended, and its folder removed, at the end."""
    folder = pathlib.Path("/tmp") / f"lwq-s3-{name}-{secrets.token_hex(4)}"
    folder.mkdir()
    processes = []
    try:
        server = STARTERS[name](folder, processes)
        server.processes = processes
        server.client().create_bucket(Bucket="bucket")
        yield server
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    name, command = sys.argv[1], sys.argv[2:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server is ended all the same
    with start(name) as server:
        uri = f"s3://bucket?endpoint={server.endpoint}"
        return subprocess.run([argument.replace("{}", uri) for argument in command], env=server.environment(), check=False).returncode


if __name__ == "__main__":
    import pinned_packages
    pinned_packages.run_with("s3", PACKAGES)
    sys.exit(main())
