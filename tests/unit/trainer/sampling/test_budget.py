"""The ceiling on tokens: what may begin beside what is under way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainer.sampling.budget import TokenBudget


def test_without_a_ceiling_everything_may_begin() -> None:
    assert TokenBudget(ceiling=None, paid=10**9, paying=1).allows(1000)


def test_before_a_cost_is_known_one_at_a_time_may_begin() -> None:
    budget = TokenBudget(ceiling=1)
    assert budget.allows(0)
    assert not budget.allows(1)
    budget.pay(0)
    assert not budget.allows(1), "what came from a cache tells no price"


def test_the_mean_of_what_was_paid_is_expected_of_all_under_way() -> None:
    budget = TokenBudget(ceiling=1000)
    budget.pay(100)
    budget.pay(200)
    budget.pay(0)
    assert budget.expected == 150
    assert budget.allows(3), "300 + 4 × 150 = 900"
    assert not budget.allows(4), "300 + 5 × 150 = 1050"


def test_a_ceiling_may_be_reached_but_not_passed() -> None:
    assert TokenBudget(ceiling=200, paid=100, paying=1).allows(0)
    assert not TokenBudget(ceiling=199, paid=100, paying=1).allows(0)


@given(st.integers(1, 500), st.integers(1, 20), st.integers(1, 2000))
def test_prompts_that_cost_the_same_never_pass_the_ceiling(cost: int, concurrency: int, ceiling: int) -> None:
    budget = TokenBudget(ceiling=ceiling)
    under_way = 0
    while True:
        while under_way < concurrency and budget.allows(under_way):
            under_way += 1
        if not under_way:
            break
        budget.pay(cost)
        under_way -= 1
    assert budget.paid <= max(ceiling, cost)
    assert ceiling - budget.paid < cost, "and as many as fit are asked"
