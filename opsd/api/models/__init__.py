"""What requests may say: query parameters and bodies. Unknown, missing, doubled or ill-typed fields are refused.

A model's JSON schema is what the OpenAPI document shows, so every rule that a schema can express stands in it: what
the schema lets pass is never answered with ``invalid_request``. The fields of a body that starts a command are the
command's flags (:mod:`opsd.api.flags`), and so are those of a query that ``opsd --server`` asks with. None names a
file: the daemon's own are meant.
"""
