"""Caches keep to their bound and what is used, count what they are asked, and may be used from many threads."""

from concurrent.futures import ThreadPoolExecutor

from oriz_matrix.base.cache import Cache, CacheStatistics


def test_what_is_used_is_kept_and_the_bound_holds() -> None:
    cache: Cache[int, str] = Cache("words", 10)
    cache.put(0, "used")
    for key in range(1, 100):
        cache.put(key, "new")
        assert cache.get(0) == "used"
        assert len(cache) <= 10
    assert cache.get(99) == "new"
    assert cache.get(50) is None


def test_it_counts() -> None:
    cache: Cache[str, int] = Cache("numbers", 10)
    cache.put("a", 1)
    assert [cache.get(key) for key in "ab"] == [1, None]
    assert cache.statistics() == CacheStatistics(name="numbers", entries=1, capacity=10, hits=1, misses=1)


def test_what_is_dropped_is_gone() -> None:
    cache: Cache[str, int] = Cache("numbers", 4)
    for key in "abc":
        cache.put(key, 1)
    cache.drop("a")
    cache.drop("c")
    cache.drop("never there")
    assert [cache.get(key) for key in "abc"] == [None, 1, None]
    cache.clear()
    assert len(cache) == 0
    assert cache.get("b") is None


def test_threads_do_not_disturb_each_other() -> None:
    cache: Cache[int, int] = Cache("numbers", 50)

    def use(thread: int) -> None:
        for step in range(3000):
            key = (step * 7 + thread) % 40
            assert cache.get(key) in (None, key)
            cache.put(key, key)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(8)))
    assert 0 < len(cache) <= 50
    assert cache.statistics().hits > 0
