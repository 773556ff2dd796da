"""How a loop is reached: one protocol, two implementations, ``local`` and ``sprite_service``."""
