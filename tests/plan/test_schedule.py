"""Critical paths and makespans against hand-made graphs, networkx, a clock that ticks, and bounds that always hold."""

import random

import networkx
import pytest

from codestill.plan.schedule import critical_path, makespan

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


def drawn(draw, jobs=40):
    """A random graph of jobs with whole seconds, and the same as networkx knows it: an edge weighs what ends there."""
    graph = {n: {m for m in range(n) if draw.random() < 0.08} for n in range(jobs)}
    seconds = {n: draw.randint(1, 50) for n in graph}
    edges = networkx.DiGraph()
    for number, needs in graph.items():
        for need in [*needs, "start"]:
            edges.add_edge(need, number, weight=seconds[number])
    return graph, seconds, edges


def ticked(graph, seconds, rank, gpus):
    """Seconds of list scheduling by a clock: each second what is ready, the longest chain first, takes what is free."""
    left, running, clock = dict(graph), {}, 0
    done = set()
    while left or running:
        done |= {job for job, end in running.items() if end == clock}
        running = {job: end for job, end in running.items() if end > clock}
        for job in sorted((job for job in left if left[job] <= done), key=lambda job: (-rank[job], job)):
            if len(running) < gpus:
                running[job] = clock + seconds[job]
                del left[job]
        clock += 1
    return clock - 1


def test_random_graphs_against_networkx_and_a_ticking_clock():
    draw = random.Random(11)
    for _ in range(10):
        graph, seconds, edges = drawn(draw)
        assert critical_path(graph, seconds)[0] == networkx.dag_longest_path_length(edges)
        behind = {}
        for job in reversed(range(len(graph))):  # what is left to do from a job's start on
            after = edges.subgraph({job} | networkx.descendants(edges, job))
            behind[job] = seconds[job] + networkx.dag_longest_path_length(after)
        for gpus in (1, 2, 5):
            found = makespan(graph, seconds, dict.fromkeys(graph, (1, 1)), gpus)
            assert found == ticked(graph, seconds, behind, gpus)
