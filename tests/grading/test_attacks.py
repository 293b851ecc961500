"""Hostile programs get the right verdict and leave nothing behind: no file, no process, no secret, no delay.

At every level of isolation, for root and for an ordinary user, and on kernels whose Landlock is older than this one's.
"""

import contextlib
import fcntl
import json
import os
import re
import socket
import subprocess

import pytest

from codestill.grading.sandbox.isolation import LEVELS, named
from grading.attacks import ATTACKS, PROBLEM, RIGHT, stopped
from grading.emulation import USER, Machine, graded, open_folder

SECRET = "hunter2-of-the-tests"
TIMEOUT = 1.5
OWN = [Machine(level.name) for level in LEVELS]
OTHERS = [Machine(level.name, USER) for level in LEVELS if level.acceptable]
# Landlock 5: signals and abstract sockets are out of its sight; 1: as it began.
OTHERS += [Machine("landlock+seccomp", USER, landlock=version) for version in (5, 1)]


def _tree(folder):
    """Every path below a folder with what could have been changed about it."""
    return {
        path: (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


class Field:
    """What the attacks may hit, all of it open to whoever runs them. `replace`: how programs name it."""

    def __init__(self, folder, temporary, user):
        self.folder, self.stack = folder, contextlib.ExitStack()
        self.other = temporary / "grading-other"
        self.other.mkdir()
        self.lock = os.open(self.other, os.O_RDONLY)
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # another grader, which lives
        self.scratch = self.other / "scratch"
        self.scratch.mkdir()
        path, name = folder / "socket", f"codestill-{os.getpid()}-{os.urandom(4).hex()}"
        self.servers = self._servers(str(path), name)
        port = self.servers[0].getsockname()[1]
        for file, text in (
            (folder / "secret", SECRET),
            (folder / "victim", "unchanged"),
            (self.scratch / "note", SECRET),
        ):
            file.write_text(text)
        for each in (folder, self.other, self.scratch, *folder.iterdir(), *self.scratch.iterdir()):
            each.chmod(0o777)
            if user is not None:
                os.chown(each, user, user)
        more = {} if user is None else {"user": user}
        self.victim = subprocess.Popen(["sleep", "600"], start_new_session=True, **more)
        self.before = _tree(folder), _tree(self.scratch)
        self.replace = {
            "SECRET_FILE": str(folder / "secret"), "VICTIM": str(folder / "victim"), "PORT": str(port),
            "VICTIM_PID": str(self.victim.pid), "SOCKET_PATH": str(path), "SOCKET_NAME": name,
            "OTHER_SCRATCH": str(self.scratch),
        }  # fmt: skip

    def _servers(self, path, name):
        kinds = [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM)]
        kinds += [(socket.AF_UNIX, socket.SOCK_DGRAM)] * 2
        servers = [self.stack.enter_context(socket.socket(*kind)) for kind in kinds]
        servers[0].bind(("127.0.0.1", 0))
        servers[0].listen()
        for server, address in zip(servers[1:], (servers[0].getsockname(), path, f"\0{name}"), strict=True):
            server.bind(address)
        return servers

    def source(self, completion):
        """The program of a completion, aimed at this field."""
        names = "|".join(sorted(self.replace, key=len, reverse=True))
        return PROBLEM["prompt"] + re.sub(names, lambda found: self.replace[found[0]], completion) + "\n\n"

    def heard(self):
        """What the servers heard."""
        heard = []
        for place, server in enumerate(self.servers):
            server.settimeout(0.02)
            with contextlib.suppress(TimeoutError):
                heard.append(server.recv(10) if place else server.accept())
        return heard

    def close(self):
        """Clear the field."""
        self.victim.kill()
        self.victim.wait()
        self.stack.close()
        os.close(self.lock)


@pytest.fixture(scope="module", params=[*OWN, *OTHERS], ids=str)
def field(request):
    machine, stack = request.param, contextlib.ExitStack()
    folder, place = stack.enter_context(open_folder()), stack.enter_context(open_folder())
    (place / "temporary").mkdir()
    field = Field(folder, place / "temporary", machine.user if os.getuid() == 0 else None)
    stack.callback(field.close)
    field.machine, field.names = machine, stopped(named(machine.level))
    if machine != OWN[0]:
        # That a loop is ended in time is no matter of the level.
        costly = {"timeout"}, {"memory"}
        field.names = [name for name in field.names if ATTACKS[name][1] not in costly or "sleep" in ATTACKS[name][0]]
    sources = {}
    # Between them a right one, timed: what an attack leaves running or holds would slow it down or fail it.
    for name, text in {**{name: ATTACKS[name][0] for name in field.names}, **RIGHT}.items():
        sources[name] = field.source(text)
        sources[f"after {name}"] = field.source(f"    return a + b  # after {name}\n")
    with stack:
        field.outcomes, field.left = graded(machine, place, PROBLEM, sources, TIMEOUT)
        field.files = set((place / "temporary").glob("grading-*"))
        yield field


def test_attacks_get_the_right_verdict(field):
    wrong = {name: field.outcomes[name] for name in field.names if field.outcomes[name]["kind"] not in ATTACKS[name][1]}
    assert wrong == {}


def test_right_programs_pass(field):
    assert {name: field.outcomes[name] for name in RIGHT if field.outcomes[name]["kind"] != "passed"} == {}


def test_neighbours_pass_and_are_not_slowed_down(field):
    after = {name: outcome for name, outcome in field.outcomes.items() if name.startswith("after ")}
    assert len(after) == len(field.names) + len(RIGHT)
    assert {name: outcome for name, outcome in after.items() if outcome["kind"] != "passed"} == {}
    assert max(outcome["seconds"] for outcome in after.values()) < 0.5 * TIMEOUT


def test_no_file_is_changed_and_none_is_left(field):
    if named(field.machine.level).namespaces or named(field.machine.level).landlock:
        assert _tree(field.folder) == field.before[0]
        assert _tree(field.scratch) == field.before[1]
    assert field.files == {field.other}


def test_no_process_is_left_and_none_of_others_ended(field):
    assert field.left == set()
    assert field.victim.poll() is None


def test_no_secret_is_in_a_verdict(field):
    told = json.dumps(field.outcomes)
    assert SECRET not in told and "root:" not in told


def test_nothing_was_sent(field):
    assert field.heard() == []


def test_there_are_many_attacks():
    assert len(ATTACKS) >= 120 and all(stopped(level) for level in LEVELS)
    assert set(stopped(LEVELS[0])) == set(ATTACKS)
