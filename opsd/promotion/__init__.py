"""Promotion: may a guarded-autonomous fleet go beyond dogfood (contract 90).

:mod:`.decision` is the pure whole over the five modules of :mod:`.gates`; :mod:`.evidence` reads what they judge;
:mod:`.run` evaluates and records. :mod:`.ci` and :mod:`.ci_summary` are what a pipeline gets of it. Nothing here
changes a fleet.
"""
