"""Reason codes in words for an operator: what each means, and what mends it.

The texts stand here once: pages for a terminal show them, and ``docs/reference/reasons.md`` is made of them, which
also holds that every code has a meaning. ``remedies`` says what to do, where the project knows it.
"""
