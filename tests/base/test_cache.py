"""Caches keep to their bound, count what they are asked, and may be used from many threads."""

from concurrent.futures import ThreadPoolExecutor

from oriz_matrix.base.cache import Cache, CacheStatistics


def test_the_values_used_last_are_kept() -> None:
    cache: Cache[str, int] = Cache("numbers", 2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    assert len(cache) == 2
    assert cache.statistics() == CacheStatistics(name="numbers", entries=2, weight=2, capacity=2, hits=3, misses=1)


def test_the_bound_may_be_weight() -> None:
    cache: Cache[int, bytes] = Cache("bodies", 10, weigh=len)
    for key in range(4):
        cache.put(key, b"four")
    assert [cache.get(key) for key in range(4)] == [None, None, b"four", b"four"]
    cache.put(9, b"eleven bytes")
    assert cache.get(9) is None
    assert cache.statistics().weight == 8


def test_what_is_dropped_is_gone() -> None:
    cache: Cache[str, int] = Cache("numbers", 2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.drop("a")
    cache.drop("never there")
    assert [cache.get(key) for key in "ab"] == [None, 2]
    cache.clear()
    assert len(cache) == 0
    assert cache.get("b") is None


def test_threads_do_not_disturb_each_other() -> None:
    cache: Cache[int, int] = Cache("numbers", 50)

    def use(thread: int) -> int:
        found = 0
        for step in range(3000):
            key = (step * 7 + thread) % 100
            value = cache.get(key)
            assert value in (None, key)
            found += value is not None
            cache.put(key, key)
        return found

    with ThreadPoolExecutor(8) as threads:
        found = sum(threads.map(use, range(8)))
    statistics = cache.statistics()
    assert (statistics.hits, statistics.hits + statistics.misses) == (found, 8 * 3000)
    assert statistics.entries == 50
