"""Which makes of servers play together, the first of each pair with Alice."""

import os

PAIRS = os.environ.get("ORIZ_TEST_PAIRS", "oriz-synapse synapse-oriz").split()
