"""Critical paths and makespans against hand-made graphs and bounds that every schedule obeys."""

import random

import pytest

from codestill.study.schedule import critical_path, makespan

DIAMOND = {0: set(), 1: {0}, 2: {0}, 3: {1, 2}}
SECONDS = {0: 10.0, 1: 5.0, 2: 20.0, 3: 1.0}


def test_the_longest_chain_of_a_diamond():
    assert critical_path(DIAMOND, SECONDS) == (31.0, [0, 2, 3])
    assert critical_path({}, {}) == (0.0, [])


def test_a_chain_ignores_jobs_that_do_not_run():
    assert critical_path({1: {0}, 2: {1}}, {1: 3.0, 2: 4.0}) == (7.0, [1, 2])


@pytest.mark.parametrize(("gpus", "expected"), [(1, 36.0), (2, 31.0), (8, 31.0)])
def test_more_gpus_until_the_chain_rules(gpus, expected):
    demand = dict.fromkeys(DIAMOND, (1, 4))
    assert makespan(DIAMOND, SECONDS, demand, gpus) == expected


def test_the_job_with_the_longest_chain_behind_it_starts_first():
    graph, seconds = {0: set(), 1: set(), 2: set(), 3: {2}, 4: {2}}, {0: 5.0, 1: 5.0, 2: 1.0, 3: 1.0, 4: 10.0}
    assert makespan(graph, seconds, dict.fromkeys(graph, (1, 1)), 2) == 11.0


def test_cpu_jobs_run_beside_gpu_jobs_and_share_cores_where_cores_are_bound():
    graph, seconds = {0: set(), 1: set(), 2: set()}, {0: 10.0, 1: 10.0, 2: 10.0}
    demand = {0: (1, 1), 1: (0, 2), 2: (0, 2)}
    assert makespan(graph, seconds, demand, 1) == 10.0
    assert makespan(graph, seconds, dict.fromkeys(graph, (0, 2)), 0, 2) == 30.0
    assert makespan(graph, seconds, dict.fromkeys(graph, (0, 1)), 0, 2) == 20.0


def test_a_job_that_asks_for_more_than_there_is_gets_all():
    assert makespan({0: set()}, {0: 7.0}, {0: (4, 8)}, 2) == 7.0
    assert makespan({0: set()}, {0: 7.0}, {0: (0, 8)}, 0, 2) == 7.0


def test_random_graphs_obey_the_bounds_of_list_scheduling():
    draw = random.Random(3)
    for _ in range(20):
        graph = {n: {m for m in range(n) if draw.random() < 0.05} for n in range(60)}
        seconds = {n: draw.uniform(1, 50) for n in graph}
        demand = dict.fromkeys(graph, (1, 1))
        longest, path = critical_path(graph, seconds)
        assert sum(seconds[n] for n in path) == pytest.approx(longest)
        for gpus in (1, 3, 7):
            found = makespan(graph, seconds, demand, gpus)
            least = max(longest, sum(seconds.values()) / gpus)
            assert least - 1e-6 <= found <= longest + sum(seconds.values()) / gpus
        assert makespan(graph, seconds, demand, 1) == pytest.approx(sum(seconds.values()))
