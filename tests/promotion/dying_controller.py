"""One guarded pass over real files that kills its own process: ``dying_controller.py <repo> <verdict> <step>``.

Run as a program by ``test_controller_crash``. Steps are every write of the store and its journals, by the controller
and by the apply that it starts, and the start of every evaluation and apply.
"""

from __future__ import annotations

import sys

from tests.promotion.controller_support import World
from tests.promotion.dying import Fuse, dying_store

repo, verdict, step = sys.argv[1], sys.argv[2], int(sys.argv[3])
fuse = Fuse(step)
World(dying_store(repo, fuse), "promote", "promote", verdict, tick=fuse.step).run()
