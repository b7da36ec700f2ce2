#!/usr/bin/env python3
"""Holds a run of SyTest against passes.txt and fails.txt: tests/support/sytest_report.py tells how."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.sytest_report import main

sys.exit(main(sys.argv[1:]))
