"""One apply over real files that kills its own process at a step: ``dying_apply.py <repo> <intent> <step>``.

Run as a program by ``test_apply_crash``. Steps are every write of the store and of its journal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from opsd.promotion.rollout.words import Intent
from tests.promotion.dying import Fuse, dying_store
from tests.promotion.rollout_factories import Fleet, apply_request

repo, intent, step = Path(sys.argv[1]), Intent(sys.argv[2]), int(sys.argv[3])
fleet = Fleet.__new__(Fleet)
fleet.root, fleet.store = repo, dying_store(str(repo), Fuse(step))
fleet.apply(apply_request(intent, key="k"))
