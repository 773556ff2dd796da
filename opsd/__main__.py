"""``python -m opsd``."""

import sys

from opsd.cli.main import main

sys.exit(main())
