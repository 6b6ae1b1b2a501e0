"""pass@k and pass^k against the enumeration of every subset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferail.errors import ConfigError
from inferail.evals.statistics.trials import (
    pass_at,
    pass_at_by_enumeration,
    pass_every,
    pass_every_by_enumeration,
)


@given(st.integers(1, 9), st.data())
def test_formulas_are_what_enumerating_every_subset_gives(n, data):
    """Serves R188."""
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))

    assert pass_at(n, c, k) == pytest.approx(pass_at_by_enumeration(n, c, k), abs=1e-12)
    assert pass_every(n, c, k) == pytest.approx(pass_every_by_enumeration(n, c, k), abs=1e-12)


@given(st.integers(1, 200), st.data())
def test_more_tries_help_and_more_demands_hurt(n, data):
    c = data.draw(st.integers(0, n))
    at = [pass_at(n, c, k) for k in range(1, n + 1)]
    every = [pass_every(n, c, k) for k in range(1, n + 1)]

    assert at == sorted(at)
    assert every == sorted(every, reverse=True)
    assert at[0] == pytest.approx(every[0])
    assert at[0] == pytest.approx(c / n)


@pytest.mark.parametrize(("n", "c", "k"), [(3, 4, 1), (3, -1, 1), (3, 1, 0), (3, 1, 4)])
def test_formulas_refuse_numbers_that_make_no_sense(n, c, k):
    for formula in (pass_at, pass_every):
        with pytest.raises(ConfigError):
            formula(n, c, k)
