"""What reason codes mean, in words for an operator, by the set that declares them.

The sets are the code's own enumerations; a code without a meaning, or a meaning without a code, stops the generator.
Codes that no enumeration holds are listed with the module that writes them, and looked up in its source.
"""

from __future__ import annotations

from tools.reference.meanings.access import ACCESS
from tools.reference.meanings.alerts import ALERTS
from tools.reference.meanings.codes import Codes
from tools.reference.meanings.fleet import FLEET
from tools.reference.meanings.horizon import HORIZON
from tools.reference.meanings.loops import LOOPS
from tools.reference.meanings.promotion import PROMOTION

__all__ = ["GROUPS", "Codes"]

GROUPS = (*LOOPS, *ALERTS, *FLEET, *PROMOTION, *HORIZON, *ACCESS)
