# SPDX-License-Identifier: Apache-2.0
"""The control plane of scripts/kube_cluster for scripts that look at what becomes of deploy/ on it: kube_check, keda_operator.

    with control_plane() as kubectl: …     kubectl("apply", …); it ends with the block, also when that is interrupted
"""
import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "build/kube/bin"
KEDA = "github.com/kedacore/keda/v2@v2.21.0"
PATIENCE_S = 120
broken = []  # what did not hold


def tell(holds, what, detail=""):
    if not holds:
        broken.append(what)
    print(f"{'ok  ' if holds else 'FAIL'} {what}{'' if holds or not detail else ': ' + str(detail)}", flush=True)
    return holds


def until(condition):
    """The first true value of a condition that is asked again and again; its last value when patience ends."""
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.5)
    return value


class Kubectl:
    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig
        self.base = [str(BIN / "kubectl"), f"--kubeconfig={kubeconfig}"]

    def run(self, *arguments, stdin=None):
        return subprocess.run([*self.base, *arguments], input=stdin, text=True, capture_output=True)

    def __call__(self, *arguments, stdin=None):
        done = self.run(*arguments, stdin=stdin)
        if done.returncode != 0:
            raise SystemExit(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def objects(self, *arguments):
        found = json.loads(self("get", "-o", "json", *arguments))
        return found.get("items", [found])


def module_folder(module):
    """Where Go keeps the sources of MODULE@VERSION, fetched if need be."""
    return pathlib.Path(json.loads(subprocess.run(["go", "mod", "download", "-json", module], cwd=ROOT / "build/kube", text=True,
                                                  stdout=subprocess.PIPE, check=True).stdout)["Dir"])


@contextlib.contextmanager
def control_plane(keep=False):
    """An empty cluster's Kubectl; `keep` leaves it running. SIGTERM ends this program as Ctrl-C does."""
    def cluster(verb):
        return subprocess.run([str(ROOT / "scripts/kube_cluster"), verb], text=True, stdout=subprocess.PIPE, check=True).stdout.strip()

    kubectl = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        kubectl = Kubectl(cluster("up"))
        tell(True, "control plane: " + json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"])
        yield kubectl
    finally:
        if keep and kubectl:
            print(f"KUBECONFIG={kubectl.kubeconfig}; scripts/kube_cluster down ends it")
        else:
            cluster("down")
