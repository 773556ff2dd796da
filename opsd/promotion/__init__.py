"""Promotion: may a guarded-autonomous fleet go beyond dogfood (contracts 90 and 95).

:mod:`.decision` is the pure whole over the five modules of :mod:`.gates`; :mod:`.evidence` reads what they judge, the
records of the drills among it, which :mod:`opsd.drill` carries out; :mod:`.run` evaluates and records. :mod:`.ci` and
:mod:`.ci_summary` are what a pipeline gets of it. None of these changes a fleet; :mod:`.rollout` does, by a decision of
theirs, and :mod:`.controller` within budgets (95).
"""
