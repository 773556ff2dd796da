"""Drills: what has to hold when things go wrong is tried out, on purpose and before it counts (contract 90, A3.5).

Each drill states its invariants in prose, brings a fleet of its own into trouble (real sprite services, the real
daemon, simulated runs, all in a sandbox folder), and judges by what happened: :mod:`.kill_switch`,
:mod:`.sprite_outage`, :mod:`.retry_guard`. :mod:`.evidence` (pure) is what is recorded of it, :mod:`.run` carries out
and records, :mod:`.live` is the one drill that may touch a fleet in use.
"""
