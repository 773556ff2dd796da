"""What writes documents and dashboards from the code; no part of the program, and in no wheel.

``python -m tools --write`` renews the files, ``--check`` fails where one is not what the code says.
"""
