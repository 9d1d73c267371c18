"""`python -m lazybridge.cli`."""

import sys

from lazybridge.cli import main

sys.exit(main())
