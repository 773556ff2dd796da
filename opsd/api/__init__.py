"""The control API of ``opsd run``: one table of routes, from which application and OpenAPI document are made.

Whatever an operator can do with a command on the manager's host can be done over HTTP, through the same functions.
"""
