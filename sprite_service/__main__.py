"""``python -m sprite_service``."""

import sys

from sprite_service.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
