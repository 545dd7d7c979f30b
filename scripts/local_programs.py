# SPDX-License-Identifier: Apache-2.0
"""Processes of this machine that end with the script which started them, and certificates for its loopback address. For
scripts/check_deployment and scripts/keda_operator.
"""
import itertools
import os
import re
import signal
import subprocess
import time

PATIENCE_S = 120
LOOPBACK = "subjectAltName=DNS:localhost,IP:127.0.0.1"


def until(condition, what):
    """The first true value of a condition that is asked again and again."""
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.05)
    return value


class Authority:
    """A CA, and certificates that it signs: for this machine's loopback address where nothing else is said."""

    def __init__(self, folder, name):
        self.folder, self.cert, self.serials = folder, folder / f"{name}.crt", itertools.count(1000)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", self.cert)

    @staticmethod
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def issue(self, name, subject, extensions=LOOPBACK):
        """NAME.key, then NAME.crt, each replaced whole: between the two they do not fit. `extensions` are openssl's lines.
        Returns the serial number."""
        serial = next(self.serials)
        key, request, cert, lines = (self.folder / f".new-{name}.{end}" for end in ("key", "csr", "crt", "ext"))
        lines.write_text(extensions + "\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={subject}",
                     "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.cert.with_suffix(".key"), "-days", "1",
                     "-set_serial", str(serial), "-extfile", lines, "-out", cert)
        request.unlink()
        lines.unlink()
        os.replace(key, self.folder / f"{name}.key")
        time.sleep(0.3)  # long enough that somebody may look
        os.replace(cert, self.folder / f"{name}.crt")
        return serial


class Program:
    """A process with a log; it dies with this program, however that dies."""

    def __init__(self, argv, log, environment):
        self.log = log
        with open(log, "w") as out:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, argv)], stdout=out, stderr=out,
                                            env=environment)

    def printed(self, before):
        """What follows a text in the log, up to the end of the line or a quote; waited for."""
        def look():
            found = re.search(re.escape(before) + r'([^\s"]+)', self.log.read_text())
            if found is None and self.process.poll() is not None:
                raise RuntimeError(f"{self.log.name}: ended with {self.process.returncode}: {self.log.read_text()[-500:]}")
            return found and found.group(1)
        return until(look, f"'{before}' in {self.log.name}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)
