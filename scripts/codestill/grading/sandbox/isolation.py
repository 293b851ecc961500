"""Levels of isolation: which there are, what each is made of, and how a process takes one on.

A zygote takes on the level's namespaces once; each candidate, forked from it, gives up its user, its rights, its files
and its system calls. The levels are tried from the strongest to the weakest.
"""

import ctypes
import math
import os
import resource
from dataclasses import dataclass

from codestill.grading.sandbox.kernel import landlock, namespaces, seccomp
from codestill.grading.sandbox.kernel.readable import DEVICES, trees, visible
from codestill.grading.sandbox.kernel.syscalls import die_with_parent, prctl, syscall
from codestill.grading.sandbox.scratch import empty

NOBODY = 65534
_STRANGERS = 0x70000000  # user ids from here on belong to no account
THREADS = 256  # that a candidate may have at once
SPARE = 16 << 20  # bytes of address space beyond a candidate's limit: for telling that it ran out of memory
_PR_SET_KEEPCAPS, _CAP_DAC_READ_SEARCH, _CAPABILITY_VERSION = 8, 2, 0x20080522
# Made here, since a type made in a candidate's process is made again for each.
_CapabilityHeader, _Capabilities = ctypes.c_uint32 * 2, ctypes.c_uint32 * 6


@dataclass(frozen=True)
class Level:
    """One level. `acceptable`: no file of others can be read or written, no process, program or connection made."""

    name: str
    namespaces: bool
    landlock: bool
    seccomp: bool
    acceptable: bool


LEVELS = (
    Level("namespaces+landlock+seccomp", True, True, True, True),
    Level("landlock+seccomp", False, True, True, True),
    Level("namespaces+seccomp", True, False, True, True),
    Level("namespaces", True, False, False, False),
    Level("seccomp", False, False, True, False),
    Level("limits", False, False, False, False),
)


def named(name):
    """The level of that name."""
    return next(level for level in LEVELS if level.name == name)


class Zygote:
    """What the process that forks candidates holds of a level, once it has entered it.

    scratch: an empty folder that candidates may write; with namespaces they have one of their own instead.
    Raises OSError where the kernel does not offer the level.
    """

    def __init__(self, level, scratch):
        self.level = level
        self.root = os.getuid() == 0
        # Root's own Python may lie where no other user can look.
        hidden_python = self.root and not _open_to_all()
        if hidden_python and not (level.namespaces or level.landlock):
            # Without a list of what may be read, a right to look anywhere would open every file of root's.
            raise OSError("Python lies in a folder that only root may read; a candidate could import nothing")
        # What the kernel counts by user, threads above all, must count for the candidates of this zygote alone.
        self.user = _stranger() if self.root else os.getuid()
        self.counted_alone = level.namespaces if not self.root else self.user != NOBODY
        # What is alike for all candidates is given up here, once, and inherited.
        for what, value in _FIXED_LIMITS:
            _limit(what, value)
        if self.root:
            os.setgroups([])
        if level.namespaces:
            namespaces.enter(scratch)
            self.scratch = namespaces.SCRATCH
        else:
            self.scratch = scratch
            if self.root:
                os.chown(scratch, self.user, self.user)
        if level.seccomp:
            seccomp.program(0)  # read its tables now, once, and not in every candidate
        self.ruleset = None
        if level.landlock:
            # A rule is tied to what is mounted now; one on the folder above holds for every later scratch as well.
            writable = os.path.dirname(self.scratch) if level.namespaces else self.scratch
            self.ruleset = landlock.ruleset(visible(), [writable], DEVICES)
        # Namespaces show it under a root of their own.
        self.look_anywhere = hidden_python and level.landlock and not level.namespaces
        seccomp.no_new_privileges()

    def clean(self):
        """Empty the scratch folder where the last candidate left something."""
        if self.level.namespaces:
            if os.listdir(self.scratch):
                namespaces.fresh_scratch()
        else:
            empty(self.scratch)

    def confine(self, memory, cpu):
        """Called by a candidate's process before it runs anything: give everything up, for good.

        memory: bytes of address space; cpu: seconds, a last resort behind the grader's clock.
        """
        os.chdir(self.scratch)
        _limit(resource.RLIMIT_AS, memory, SPARE)
        _limit(resource.RLIMIT_NOFILE, 64)
        _limit(resource.RLIMIT_CPU, math.ceil(cpu))
        if self.counted_alone:
            # Without root the two processes of the zygote count as well; elsewhere the worker counts the threads.
            _limit(resource.RLIMIT_NPROC, THREADS + (0 if self.root else 2))
        if self.root:
            _become(self.user, self.look_anywhere)
        else:
            _drop_capabilities(0)
        die_with_parent()
        if self.ruleset is not None:
            landlock.confine(self.ruleset)
            os.close(self.ruleset)
        if self.level.seccomp:
            seccomp.confine()


def confine_tests(level, folder):
    """Called by a process that is to run tests: give up all but reading what a candidate may and writing one folder.

    What a candidate answers may be a path that its test removes, or a text that its test executes. Returns the folder:
    `folder`, or an empty one of its own at a level without Landlock.
    """
    if level.namespaces and not level.landlock:
        namespaces.enter_files(folder)
        folder = namespaces.SCRATCH
    _drop_capabilities(0)
    die_with_parent()
    seccomp.no_new_privileges()
    if level.landlock:
        ruleset = landlock.ruleset(visible(), [folder], DEVICES)
        landlock.confine(ruleset)
        os.close(ruleset)
    if level.seccomp:
        seccomp.confine()
    return folder


_FIXED_LIMITS = (
    (resource.RLIMIT_FSIZE, 16 << 20),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_MSGQUEUE, 0),
    (resource.RLIMIT_SIGPENDING, 256),
    (resource.RLIMIT_MEMLOCK, 0),
)


def _limit(what, value, spare=0):
    """Set a kernel limit of this process, at most the hard one that it has; `spare` is by how much it may raise it."""
    _, hard = resource.getrlimit(what)
    most = value + spare if hard == resource.RLIM_INFINITY else min(value + spare, hard)
    resource.setrlimit(what, (most - spare, most))


def _open_to_all():
    """True where a user without rights can reach and read all that a candidate reads."""
    for path in trees():
        if not os.stat(path).st_mode & 0o004:
            return False
        while (path := os.path.dirname(path)) != "/":
            if not os.stat(path).st_mode & 0o001:
                return False
    return True


def _drop_capabilities(kept):
    """Set this process's capabilities to the bits in `kept`."""
    header = _CapabilityHeader(_CAPABILITY_VERSION, 0)
    data = _Capabilities(kept, kept, 0, 0, 0, 0)
    syscall("capset", header, data)


def _stranger():
    """The id of a user that nobody else has, by this process's number; NOBODY where such ids do not exist here."""
    number = _STRANGERS + os.getpid()
    for kind in ("uid", "gid"):
        try:
            with open(f"/proc/self/{kind}_map") as handle:
                ranges = [[int(field) for field in line.split()] for line in handle]
        except OSError:
            return NOBODY
        if not any(first <= number < first + count for first, _, count in ranges):
            return NOBODY
    return number


def _become(user, look_anywhere):
    if look_anywhere:
        prctl(_PR_SET_KEEPCAPS, 1)
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    # With Landlock this right reaches the readable trees only.
    _drop_capabilities(1 << _CAP_DAC_READ_SEARCH if look_anywhere else 0)
