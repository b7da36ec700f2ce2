"""When polls end that hear nothing."""

import pytest

from oriz_matrix.services.sync.respond import LONGEST_POLL_S, end_of_poll


@pytest.mark.parametrize("timeout_s", [0, 0.2, 9.9])
def test_short_polls_last_as_long_as_was_asked(timeout_s: float) -> None:
    assert end_of_poll(1000.3, timeout_s, 500) == 1000.3 + timeout_s


@pytest.mark.parametrize(("waiting", "most_early", "moments"), [(500, 1.0, 1), (3_000, 0.25, 4)])
def test_long_polls_end_together_and_hardly_early(waiting: int, most_early: float, moments: int) -> None:
    ends = {start: end_of_poll(start, 30, waiting) for start in (1000 + n / 100 for n in range(100))}
    assert all(start + 30 - most_early < end <= start + 30 for start, end in ends.items())
    assert len(set(ends.values())) == moments


def test_nobody_waits_for_ever() -> None:
    assert end_of_poll(0, 1e9, 0) == LONGEST_POLL_S
