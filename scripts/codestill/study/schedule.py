"""How long a plan takes: its critical path, and the time on a given number of GPUs and cores."""

import heapq


def critical_path(jobs, seconds):
    """(seconds, [job numbers]) of the longest chain of jobs that wait for each other.

    `jobs` maps number -> numbers that it needs, in an order in which every job follows what it needs; `seconds` maps
    number -> seconds.
    """
    ends, before = {}, {}
    for number, needs in jobs.items():
        known = [need for need in needs if need in ends]
        before[number] = max(known, key=ends.get, default=None)
        ends[number] = seconds[number] + (ends[before[number]] if known else 0)
    if not ends:
        return 0.0, []
    path, number = [], max(ends, key=ends.get)
    total = ends[number]
    while number is not None:
        path.append(number)
        number = before[number]
    return total, path[::-1]


def makespan(jobs, seconds, demand, gpus, cores=None):
    """Seconds until all are done on `gpus` GPUs and `cores` cores (None: as many as are asked for).

    `demand` maps number -> (GPUs, cores). Jobs start as soon as they can, those with the longest chain behind them
    first (list scheduling: Graham 1969, never above twice the best). What asks for more than there is gets all.
    """
    followers = {number: [] for number in jobs}
    waiting = {}
    for number, needs in jobs.items():
        known = [need for need in needs if need in followers]
        waiting[number] = len(known)
        for need in known:
            followers[need].append(number)
    rank = {}
    for number in reversed(jobs):
        rank[number] = seconds[number] + max((rank[one] for one in followers[number]), default=0)
    ready = [(-rank[number], number) for number, count in waiting.items() if not count]
    heapq.heapify(ready)
    free, running, now = [gpus, cores if cores else float("inf")], [], 0.0
    # Jobs that wait for a GPU stand apart from the rest, so that no pass looks at them while there is none.
    while ready or running:
        held = []
        while ready and any(free):
            entry = heapq.heappop(ready)
            need = _capped(demand[entry[1]], gpus, cores)
            if all(have >= want for have, want in zip(free, need, strict=True)):
                free = [have - want for have, want in zip(free, need, strict=True)]
                heapq.heappush(running, (now + seconds[entry[1]], entry[1], need))
            else:
                held.append(entry)
                if len(held) > 200 and not free[0]:
                    break
        for entry in held:
            heapq.heappush(ready, entry)
        now, number, need = heapq.heappop(running)
        free = [have + want for have, want in zip(free, need, strict=True)]
        for follower in followers[number]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, (-rank[follower], follower))
    return now


def _capped(demand, gpus, cores):
    """What a job gets of what it asks for: at most what there is. A job for a GPU takes no core of the CPU jobs'."""
    wanted, threads = demand
    if wanted and gpus:
        return min(wanted, gpus), 0
    return 0, min(threads, cores) if cores else 0
