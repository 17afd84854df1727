"""How long a pool of Ray actors waits for the first."""

from types import SimpleNamespace

import pytest

from dse.errors import ExecutorError
from dse.search.ray_pool import START_TIMEOUT_S, WARM_UP_TIMEOUT_S, RayPool


def pool(*, ours: bool, node: str | None) -> RayPool:
    """Return a pool whose only actor has not said that it is ready, without a Ray."""
    made = object.__new__(RayPool)
    made._ours, made._place_within_s, made._alone_since = ours, START_TIMEOUT_S, 0.0
    made._request, made._handles = {"CPU": 1.0, "GPU": 0.0}, {}
    made._starting = {"reference": SimpleNamespace(node=node)}
    return made


@pytest.mark.parametrize(("ours", "node"), [(True, None), (True, "here"), (False, "there")])
def test_an_actor_that_has_its_place_is_given_time_to_load(ours, node):
    waiting = pool(ours=ours, node=node)
    waiting._check_patience(WARM_UP_TIMEOUT_S, [])
    with pytest.raises(ExecutorError, match=r"for 1800 s.*it loads and compiles still"):
        waiting._check_patience(WARM_UP_TIMEOUT_S + 1.0, [])


def test_an_actor_without_a_place_on_a_cluster_of_others_is_not():
    waiting = pool(ours=False, node=None)
    waiting._check_patience(START_TIMEOUT_S, [])
    with pytest.raises(ExecutorError, match=r"for 120 s.*which others may be using"):
        waiting._check_patience(START_TIMEOUT_S + 1.0, [])
