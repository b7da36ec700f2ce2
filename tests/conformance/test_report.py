"""docs/conformance.md: fresh, and no trap in it that nothing catches."""

from tests.conformance import traps
from tests.conformance.report import PAGE, page


def test_the_page_is_what_dev_conformance_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: ./dev conformance"


def test_every_trap_is_caught_by_a_test_or_waits_for_its_area() -> None:
    numbers = set(traps.titles())
    assert numbers == set(range(1, 55))
    assert numbers - set(traps.tests()) <= set(traps.NOT_BUILT)
