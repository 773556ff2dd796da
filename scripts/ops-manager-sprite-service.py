#!/usr/bin/env python3
"""The sprite service under its contract name (contract 30, 6.1).

Runs with whatever Python is first on PATH, and only looks for the right one: the checkout's environment, else an
installed ``sprite-service``. The process is replaced, so signals reach the service itself.
"""

import os
import shutil
import sys

SCRIPTS = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(SCRIPTS)


def main():
    """Replace this process by the service."""
    os.environ["OPSD_INSTALL_ROOT"] = ROOT
    python = os.path.join(ROOT, ".venv", "bin", "python")
    if os.access(python, os.X_OK):
        door = os.path.join(SCRIPTS, "lib", "opsd_door.py")
        os.execv(python, [python, door, "sprite-service", *sys.argv[1:]])  # noqa: S606 - no shell is wanted
    installed = shutil.which("sprite-service")
    if installed:
        os.execv(installed, [installed, *sys.argv[1:]])  # noqa: S606 - no shell is wanted
    sys.stderr.write(
        f"error: no environment: run 'make install' in {ROOT}, or put an installed sprite-service on PATH\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
