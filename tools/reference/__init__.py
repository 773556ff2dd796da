"""``docs/reference/``: one module per document, each with ``page() -> str``."""
