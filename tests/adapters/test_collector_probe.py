import gc

from transcriber.adapters.collector_probe import CollectorProbe


def test_it_counts_the_collections_of_each_generation_while_it_is_entered():
    probe = CollectorProbe()
    gc.collect()
    assert probe.snapshot().collections == (0, 0, 0)
    with probe:
        gc.collect(0)
        gc.collect(2)
        gc.collect(2)
        during = probe.snapshot()
    gc.collect(2)
    assert during.collections[0] >= 1
    assert during.collections[2] >= 2
    assert 0 < during.longest <= during.paused
    assert probe.snapshot().collections[2] == during.collections[2]


def test_it_leaves_nothing_behind():
    before = list(gc.callbacks)
    with CollectorProbe():
        pass
    assert gc.callbacks == before
