from __future__ import annotations

import pytest

from trainer.judge_optimizer.errors import PoolsOverlap
from trainer.judge_optimizer.pools import Deal, Pools, load_pools


@pytest.fixture(scope="module")
def pools() -> Pools:
    return load_pools(
        train="starter:train",
        validation="starter:validation",
        test="starter:test",
        seed=0,
        validation_rows=32,
        test_rows=48,
    )


def test_the_starter_set_gives_all_pools(pools: Pools) -> None:
    assert len(pools.validation.rows) == 32
    assert len(pools.test.rows) == 48
    assert len(pools.requests) == 832
    assert len(pools.reflection.pairs) > 500


def test_all_are_dealt_once_before_any_comes_again(pools: Pools) -> None:
    deal = Deal(3)
    rounds = len(pools.requests) // 4
    dealt = [request for number in range(1, rounds + 1) for request in deal.requests(pools, number, 4)]

    assert len(set(dealt)) == len(dealt) == len(pools.requests)
    assert deal.requests(pools, rounds + 1, 4) != deal.requests(pools, 1, 4)


def test_a_round_is_dealt_the_same_whichever_rounds_came_before(pools: Pools) -> None:
    assert Deal(3).requests(pools, 7, 4) == Deal(3).requests(pools, 7, 4)
    assert Deal(3).requests(pools, 7, 4) != Deal(4).requests(pools, 7, 4)


@pytest.mark.parametrize("count", [1, 4, 5])
def test_labelled_rows_are_dealt_as_many_good_as_bad(pools: Pools, count: int) -> None:
    rows = Deal(0).labelled(pools, 2, count)

    assert len(rows) == count
    assert abs(2 * sum(row.label for row in rows) - count) <= 1


def test_sources_that_overlap_are_refused() -> None:
    with pytest.raises(PoolsOverlap):
        load_pools(
            train="starter:train",
            validation="starter:validation",
            test="starter:validation",
            seed=0,
            validation_rows=32,
            test_rows=32,
        )
