"""Levels of isolation: each does what it says here, the filter is right for both architectures, none below is used."""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from codestill.grading.sandbox.isolation import LEVELS, named
from codestill.grading.sandbox.kernel import landlock, seccomp, syscalls
from codestill.grading.sandbox.pool import Job, Pool, Refused, started
from codestill.grading.sandbox.scratch import empty
from codestill.kit.program import UserError
from grading.attacks import ATTACKS, PROBLEM, RIGHT
from shared_data import ROOT

MEMORY = 1 << 30


def offered(level):
    """A pool at a level; skips the test where this machine does not offer it."""
    try:
        return Pool(1, MEMORY, allow_weak=True, wanted=level.name)
    except UserError as error:
        pytest.skip(f"not offered here: {error}")


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_right_programs_pass_at_every_level(level):
    with offered(level) as pool:
        jobs = [
            Job(name, PROBLEM, PROBLEM["prompt"] + text + "\n\n")
            for name, text in RIGHT.items()
            if name != "event loop"
        ]
        outcomes = dict(pool.run(jobs, 3.0))
    assert {name: outcome["kind"] for name, outcome in outcomes.items() if outcome["kind"] != "passed"} == {}


CONFINED = [name for name in ATTACKS if "file" in name or "fork" in name or "connect" in name or "secret" in name]


@pytest.mark.parametrize("level", [level for level in LEVELS if level.acceptable], ids=lambda level: level.name)
def test_acceptable_levels_confine(level, tmp_path):
    tmp_path.chmod(0o777)
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    victim, secret = tmp_path / "victim", tmp_path / "secret"
    victim.write_text("unchanged")
    secret.write_text("hunter2")
    for path in (victim, secret):
        path.chmod(0o666)
    before = victim.stat()
    aims = {"VICTIM": str(victim), "SECRET_FILE": str(secret), "PORT": "9"}
    jobs = []
    for name in CONFINED:
        text = ATTACKS[name][0]
        for word, value in aims.items():
            text = text.replace(word, value)
        jobs.append(Job(name, PROBLEM, PROBLEM["prompt"] + text + "\n"))
    with offered(level) as pool:
        outcomes = dict(pool.run(jobs, 1.0))
    assert {name: outcome["kind"] for name, outcome in outcomes.items() if outcome["kind"] == "passed"} == {}
    assert "hunter2" not in str(outcomes)
    after = victim.stat()
    assert (after.st_mode, after.st_mtime_ns, victim.read_text()) == (before.st_mode, before.st_mtime_ns, "unchanged")


@pytest.mark.parametrize("place", ["/tmp", "/opt"])
def test_namespaces_show_a_python_wherever_it_lies(place, tmp_path):
    """In /tmp, too, where programs find their scratch otherwise."""
    tree = Path(tempfile.mkdtemp(dir=place))
    (tree / "module.py").write_text("x = 1")
    program = f"""
import os, sys, tempfile
from codestill.grading.sandbox.kernel import namespaces
shown = [{str(tree)!r}, *namespaces.trees()]
namespaces.trees = lambda: shown
namespaces.enter({str(tmp_path)!r})
os.chdir(namespaces.SCRATCH)
assert os.listdir({str(tree)!r}) == ["module.py"]
tempfile.TemporaryFile().write(b"x")
"""
    environment = {"PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    shutil.rmtree(tree)
    if "Operation not permitted" in done.stderr:
        pytest.skip("no namespaces here")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_a_candidate_holds_its_two_pipes_and_no_other_descriptor(level):
    """0 to 2 are /dev/null, 3 and 4 the pipes; the rule set's place, once entered, must be free as well."""
    look = (
        "    return a + b\n\nimport os\nheld = []\nfor number in range(1024):\n    try:\n        os.fstat(number)\n"
        "    except OSError:\n        continue\n    held.append(number)\nassert held == [0, 1, 2, 3, 4], held\n"
    )
    with offered(level) as pool:
        ((_, outcome),) = pool.run([Job("held", PROBLEM, PROBLEM["prompt"] + look)], 3.0)
    assert outcome["kind"] == "passed", outcome["detail"]


def test_weak_levels_need_leave():
    weak = [level for level in LEVELS if not level.acceptable]
    assert weak
    for level in weak:
        with pytest.raises(UserError, match="allow_weak_isolation"):
            Pool(1, MEMORY, wanted=level.name)


def test_a_level_that_cannot_be_entered_is_refused(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(Refused):
        started(2, named("limits"), MEMORY)


WITHOUT_NAMESPACES = """
import platform, runpy, sys
from codestill.grading.sandbox.kernel import seccomp
unshare = {"x86_64": 272, "aarch64": 97}[platform.machine()]
jump, leave = seccomp._JUMP_EQUAL, seccomp._RETURN
steps = [(seccomp._LOAD, seccomp._NUMBER), (jump, unshare, 0, 1), (leave, seccomp._ERRNO | 1), (leave, seccomp._ALLOW)]
seccomp.no_new_privileges()
seccomp.load(b"".join(seccomp._operation(*step) for step in steps))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("worse", [[], ["--isolation", "namespaces+seccomp"]])
def test_where_the_kernel_refuses_namespaces_the_next_level_serves_or_none(tmp_path, worse):
    """As on a distribution that keeps user namespaces from its users: the kernel itself refuses here."""
    offered(named("landlock+seccomp")).close()
    samples = tmp_path / "S.jsonl"
    samples.write_text(json.dumps({"task_id": "HumanEval/0", "completion": "    return None\n"}) + "\n")
    command = [sys.executable, "-c", WITHOUT_NAMESPACES, ROOT / "scripts" / "grade.py", "--benchmark", "humaneval"]
    command += ["--samples", samples, "--verdicts", tmp_path / "V.jsonl", "--scores", tmp_path / "SC.json", *worse]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    reason = "namespaces+{}: [Errno 1] unshare: Operation not permitted"
    if worse:
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert "too little isolation" in done.stderr
        assert "namespaces+seccomp: the tests' process cannot be locked in" in done.stderr  # it is the first to unshare
    else:
        assert done.returncode == 0 and done.stderr == ""
        assert reason.format("landlock+seccomp") in done.stdout
        assert json.loads((tmp_path / "V.jsonl").read_text())["isolation"] == "landlock+seccomp"


def run_filter(code, number, arguments, arch):
    """What the kernel would answer: a small BPF machine over the instructions."""
    at, accumulator = 0, 0
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = [struct.unpack_from("<HBBI", code, place) for place in range(0, len(code), 8)]
    while True:
        operation, if_true, if_false, value = steps[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            return value
        elif operation == 0x05:
            at += value
        else:
            test = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[operation]
            at += if_true if test else if_false


EPERM, ENOSYS, ALLOWED, KILL = 0x50001, 0x50000 + 38, 0x7FFF0000, 0x80000000
# Calls that no candidate may make, by what they would do; those of which a part is left stand below.
DENIED = """
    fork vfork execve execveat ptrace process_vm_readv process_vm_writev tkill rt_sigqueueinfo rt_tgsigqueueinfo
    pidfd_open pidfd_getfd pidfd_send_signal setsid setpgid setpriority sched_setaffinity sched_setscheduler
    socket connect bind listen accept accept4
    chmod fchmod fchmodat chown fchown lchown fchownat utimensat setxattr fsetxattr truncate mknodat
    shmget shmat semget msgget mq_open mq_unlink memfd_create userfaultfd
    mount umount2 pivot_root chroot setns unshare fsopen move_mount open_tree mount_setattr open_by_handle_at
    keyctl add_key bpf perf_event_open io_uring_setup io_setup seccomp sync syncfs init_module kexec_load reboot
"""
# (call, arguments that are allowed, arguments that are not)
IN_PART = [
    ("clone", [(0x3D0F00,)], [(17,), (0,)]),
    ("kill", [(77, 9)], [(78, 9), (0, 9), (0xFFFFFFFF, 9), (2**32 - 77, 9)]),
    ("tgkill", [(77, 78, 9)], [(78, 78, 9)]),
    ("prlimit64", [(0, 7)], [(1, 7)]),
    (
        "fcntl",
        [(5, 1), (5, 3), (5, 4, 0o4000), (5, 1030)],
        [(5, 4, 0o20000), (5, 8, 1), (5, 10), (5, 15), (5, 1024), (5, 1031)],
    ),
    ("ioctl", [(5, 0x5401), (5, 0x5421)], [(5, 0x8901), (5, 0x8902), (5, 0x5452), (5, 0x5412), (5, 0x540E)]),
    ("prctl", [(15, 1), (3,)], [(1, 0), (22, 2), (8, 1), (36, 1), (4, 0), (35, 1)]),
    ("socketpair", [(1, 1), (1, 0o2004001)], [(1, 2), (1, 5), (1, 0o2000002), (2, 1), (30, 1)]),
]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_says_what_it_should(machine):
    denied, others, arch = syscalls.numbers(machine)
    code = seccomp.program(77, machine)
    assert len(code) // 8 < 4096  # the kernel's limit

    def answer(name, *arguments):
        return run_filter(code, (denied | others)[name], arguments, arch)

    assert set(DENIED.split()) - set(denied) <= {"fork", "vfork", "chmod", "chown", "lchown"}  # which arm64 lacks
    assert {name for name in denied if answer(name) != EPERM} == set()
    assert answer("clone3") == ENOSYS
    for name, allowed, refused in IN_PART:
        assert {arguments: answer(name, *arguments) for arguments in allowed} == dict.fromkeys(allowed, ALLOWED), name
        assert {arguments: answer(name, *arguments) for arguments in refused} == dict.fromkeys(refused, EPERM), name
    assert run_filter(code, 400, [0], 3) == KILL
    assert run_filter(code, 0x40000000 + 57, [0], arch) == ENOSYS and run_filter(code, 451, [0], arch) == ENOSYS
    rest = set(range(syscalls.LAST_KNOWN + 1)) - set((denied | others).values())
    assert {run_filter(code, number, [0], arch) for number in rest} == {ALLOWED}
    beyond = range(syscalls.LAST_KNOWN + 1, 2**32, 2**20)
    assert {run_filter(code, number, [0], arch) for number in beyond} == {ENOSYS}


def test_tables_have_each_number_once():
    for machine in ("x86_64", "aarch64"):
        denied, others, _ = syscalls.numbers(machine)
        both = list(denied.values()) + [number for name, number in others.items() if name not in denied]
        assert len(both) == len(set(both)) and max(both) <= syscalls.LAST_KNOWN


def test_landlock_is_asked_for_no_more_than_the_kernel_knows():
    rights = [landlock._handled(version).bit_length() for version in (1, 2, 3, 4, 5, 7)]
    assert rights == [13, 14, 15, 15, 16, 16]


def test_scratch_is_emptied_however_it_was_left(tmp_path):
    deep = tmp_path / "deep"
    deep.mkdir()
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "closed").mkdir(mode=0o000)
    here = os.open(".", os.O_RDONLY)
    os.chdir(deep)
    for _ in range(3000):
        os.mkdir("d" * 50)
        os.chdir("d" * 50)
    os.fchdir(here)
    os.close(here)
    empty(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert os.path.exists("/etc")
