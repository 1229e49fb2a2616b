"""Processes share every batch and every evaluation without a gap or an overlap."""

from __future__ import annotations

import itertools

import pytest

from datasets.epoch_streams import own_batches, part_of_batch, share_of_batch
from foundations.ranks import Ranks

TEAMS = [[Ranks(number, size) for number in range(size)] for size in (1, 2, 3, 4, 7)]


@pytest.mark.parametrize("team", TEAMS, ids=len)
@pytest.mark.parametrize("count", [0, 1, 2, 6, 7, 128, 157])
def test_parts_cover_everything_once_in_order_and_differ_by_one_at_most(team, count):
    parts = [range(count)[ranks.part(count)] for ranks in team]
    assert list(itertools.chain(*parts)) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert len(parts[0]) == max(map(len, parts))  # the leader's statistics are the ones that are kept


@pytest.mark.parametrize("team", TEAMS, ids=len)
@pytest.mark.parametrize("size", [1, 2, 5, 128, 157])
def test_shares_of_a_batch_add_up_to_one_and_an_example_for_company_counts_nothing(team, size):
    parts = [part_of_batch(ranks, 300, 300 + size) for ranks in team]
    shares = [share_of_batch(ranks, size) for ranks in team]
    assert sum(shares) == pytest.approx(1)
    for part, share in zip(parts, shares, strict=True):
        assert part.stop > part.start >= 300
        assert part.stop <= 300 + size
        assert share in ((part.stop - part.start) / size, 0)
    counted = [range(part.start, part.stop) for part, share in zip(parts, shares, strict=True) if share]
    assert list(itertools.chain(*counted)) == list(range(300, 300 + size))


@pytest.mark.parametrize("team", TEAMS, ids=len)
@pytest.mark.parametrize(("examples", "batch"), [(10, 3), (360, 512), (10_000, 512), (512, 512), (1, 1)])
def test_evaluation_batches_are_those_of_one_process_and_each_is_somebodys_own(team, examples, batch):
    alone = [(start, min(start + batch, examples)) for start in range(0, examples, batch)]
    owned = []
    for ranks in team:
        starts, own = own_batches(ranks, examples, batch)
        batches = [(start, min(start + batch, examples)) for start in starts]
        assert batches and set(batches) <= set(alone)
        if own:
            assert own == sum(stop - start for start, stop in batches)
            owned += batches
    assert owned == alone
