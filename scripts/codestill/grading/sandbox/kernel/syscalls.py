"""Linux system calls by name, for both architectures, and the C library through ctypes."""

import ctypes
import functools
import os
import platform
import signal

# name, number on x86-64, number on arm64 (- where the architecture lacks it). A candidate is denied all of these.
_DENIED = """
    # new processes and programs
    fork 57 -, vfork 58 -, execve 59 221, execveat 322 281,
    # other processes
    ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440,
    process_mrelease 448 448, kcmp 312 272, tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240,
    pidfd_open 434 434, pidfd_getfd 438 438, pidfd_send_signal 424 424, move_pages 279 239,
    migrate_pages 256 238, setpriority 141 140, ioprio_set 251 30, sched_setaffinity 203 122,
    sched_setscheduler 144 119, sched_setparam 142 118, sched_setattr 314 274, setsid 112 157, setpgid 109 154,
    # the network (socketpair stays: event loops need it)
    socket 41 198, connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242,
    # what Landlock does not see: modes, owners, times, attributes, paths cut short
    chmod 90 -, fchmod 91 52, fchmodat 268 53, chown 92 -, fchown 93 55, lchown 94 -, fchownat 260 54,
    utime 132 -, utimes 235 -, utimensat 280 88, futimesat 261 -, setxattr 188 5, lsetxattr 189 6,
    fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16, truncate 76 45, mknod 133 -,
    mknodat 259 33,
    # memory and queues that outlive a process or escape its limits
    shmget 29 194, shmat 30 196, shmctl 31 195, semget 64 190, semctl 66 191, semop 65 193, semtimedop 220 192,
    msgget 68 186, msgctl 71 187, msgsnd 69 189, msgrcv 70 188, mq_open 240 180, mq_unlink 241 181,
    memfd_create 319 279, memfd_secret 447 447, userfaultfd 323 282, mbind 237 235, set_mempolicy 238 237,
    # mounts and namespaces
    mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, setns 308 268, unshare 272 97,
    fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433, open_tree 428 428, move_mount 429 429,
    mount_setattr 442 442, name_to_handle_at 303 264, open_by_handle_at 304 265,
    # the machine
    keyctl 250 219, add_key 248 217, request_key 249 218, bpf 321 280, perf_event_open 298 241,
    io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, init_module 175 105,
    finit_module 313 273, delete_module 176 106, kexec_load 246 104, kexec_file_load 320 294, reboot 169 142,
    swapon 167 224, swapoff 168 225, sethostname 170 161, setdomainname 171 162, settimeofday 164 170,
    clock_settime 227 112, clock_adjtime 305 266, adjtimex 159 171, quotactl 179 60, quotactl_fd 443 443,
    seccomp 317 277, sync 162 81, syncfs 306 267, io_setup 206 0, io_submit 209 2,
    acct 163 89, iopl 172 -, ioperm 173 -, modify_ldt 154 -, personality 135 92, inotify_init 253 -,
    inotify_init1 294 26, fanotify_init 300 262, syslog 103 116, lookup_dcookie 212 18, vhangup 153 58,
"""
_OTHERS = """
    clone 56 220, clone3 435 435, kill 62 129, tgkill 234 131, prlimit64 302 261, fcntl 72 25, ioctl 16 29,
    prctl 157 167, socketpair 53 199, capset 126 91,
    landlock_create_ruleset 444 444, landlock_add_rule 445 445, landlock_restrict_self 446 446,
    pivot_root 155 41, mount_setattr 442 442,
"""
LAST_KNOWN = 450  # the highest number that the tables above were written from; a candidate gets ENOSYS beyond it

# machine -> (column of the tables, AUDIT_ARCH_*)
_MACHINES = {"x86_64": (1, 0xC000003E), "aarch64": (2, 0xC00000B7)}


def supported():
    """True where the system call numbers of this machine are known: Linux on x86-64 or arm64."""
    return platform.system() == "Linux" and platform.machine() in _MACHINES


@functools.cache
def numbers(machine=None):
    """({name: number} denied to candidates, {name: number} of others, AUDIT_ARCH) of a machine, default this one."""
    column, audit_arch = _MACHINES[machine or platform.machine()]

    def read(table):
        rows = [line.split("#")[0] for line in table.splitlines()]
        cells = [cell.split() for cell in "".join(rows).split(",") if cell.strip()]
        return {cell[0]: int(cell[column]) for cell in cells if cell[column] != "-"}

    return read(_DENIED), read(_OTHERS), audit_arch


libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def checked(result, what):
    """`result` of a C call. Raises OSError with errno where it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(name, *arguments):
    """Make a system call from the tables by name. Raises OSError."""
    number = numbers()[1][name]
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return checked(libc.syscall(ctypes.c_long(number), *wide), name)


def die_with_parent():
    """Have the kernel kill this process when the thread that forked it ends."""
    prctl(1, signal.SIGKILL)


def adopt_orphans():
    """Have what this process's children leave behind become its children, to be buried by it."""
    prctl(36, 1)


def prctl(option, value=0):
    """prctl(option, value, 0, 0, 0). Raises OSError."""
    zeros = [ctypes.c_ulong(number) for number in (value, 0, 0, 0)]
    return checked(libc.prctl(ctypes.c_int(option), *zeros), f"prctl {option}")
