"""``opsd --server``: commands that work through a daemon's control API, with the same document and exit code.

One table (:mod:`opsd.cli.remote.table`) says which command asks which route, and which of the command's flags mean
something there; any other flag is refused rather than ignored. Imported only where a server is named.
"""
