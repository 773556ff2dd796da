"""Fleet policy: from a fleet reconcile to reason-coded, rail-guarded decisions (contract 70).

:mod:`.evaluate` is the pure whole; each stage (candidates, suppression, cohort, auto-pause, one module per gate,
rails, governance) is a module of its own. :mod:`.run` is the thin shell, :mod:`.explain` runs the pure whole again
from what was recorded. No control action is ever executed here.
"""
