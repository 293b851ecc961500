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
    need = {number: _capped(demand[number], gpus, cores) for number in jobs}
    # One queue for each kind of device: its first job waits until there is room for it, and all behind it wait too.
    queues = ([], [])
    free, running, now = [gpus, cores if cores else float("inf")], [], 0.0

    def enqueue(number):
        heapq.heappush(queues[0 if need[number][0] else 1], (-rank[number], number))

    for number, count in waiting.items():
        if not count:
            enqueue(number)
    while queues[0] or queues[1] or running:
        for kind, queue in enumerate(queues):
            while queue and need[queue[0][1]][kind] <= free[kind]:
                number = heapq.heappop(queue)[1]
                free[kind] -= need[number][kind]
                heapq.heappush(running, (now + seconds[number], number, kind))
        now, number, kind = heapq.heappop(running)
        free[kind] += need[number][kind]
        for follower in followers[number]:
            waiting[follower] -= 1
            if not waiting[follower]:
                enqueue(follower)
    return now


def _capped(demand, gpus, cores):
    """What a job gets of what it asks for: at most what there is. A job for a GPU takes no core of the CPU jobs'."""
    wanted, threads = demand
    if wanted and gpus:
        return min(wanted, gpus), 0
    return 0, min(threads, cores) if cores else 0
