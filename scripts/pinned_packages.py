# SPDX-License-Identifier: Apache-2.0
"""For the scripts outside CI that run real consumers: a virtual environment under build/ with pinned packages."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run_with(name, packages):
    """Returns where this program already runs in build/NAME-venv; else installs the packages there, starts the program again
    in it and exits with its exit code. Packages are pip's requirements with exact versions."""
    venv = ROOT / "build" / f"{name}-venv"
    if pathlib.Path(sys.prefix) == venv:
        return
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    sys.exit(subprocess.run([str(python), *sys.argv], check=False).returncode)
