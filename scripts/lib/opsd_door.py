"""Runs a command of this checkout without its package being installed.

Called by the doors beside this folder with the checkout's interpreter: ``opsd_door.py <command> ...``, where
``sprite-service`` is the service and everything else a command of ``opsd``. The checkout takes this folder's place
on the import path; the caller's working directory, which may be a managed repo, is never on it.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path[0] = ROOT
os.environ["OPSD_INSTALL_ROOT"] = ROOT

if sys.argv[1:2] == ["sprite-service"]:
    from sprite_service.main import main

    sys.exit(main(sys.argv[2:]))

from opsd.cli.main import main as opsd_main  # noqa: E402 - found on the path set above

sys.exit(opsd_main(sys.argv[1:]))
