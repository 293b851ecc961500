"""A real SLURM cluster on this one machine, for tests: its own folder, keys, ports and database. Needs root.

    python tests/slurm/cluster.py start [--no-accounting]   install what Debian lacks, configure, start, wait until idle
    python tests/slurm/cluster.py stop                       end exactly the daemons that start recorded

Two nodes of four CPUs and two fake GPUs each, under the partitions `gpu` and `cpu`, and under `urgent`, which preempts
both; under `odd` a third node, whose GPUs have awkward names: one with hyphens, one slice of MIG. An account
`codestill`. Everything lives in one folder (CODESTILL_CLUSTER, else /var/tmp/codestill-cluster) and listens on the
loopback only. The commands find it through links in /etc/slurm, since SLURM_CONF does not reach the jobs' own srun;
where a machine has a SLURM of its own there, start refuses.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(os.environ.get("CODESTILL_CLUSTER", "/var/tmp/codestill-cluster"))
ETC = Path("/etc/slurm")
CONFIGS = ("slurm.conf", "gres.conf", "cgroup.conf", "slurmdbd.conf")
PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge"]
ACCOUNTING_PACKAGES = ["slurmdbd", "mariadb-server"]
NODES, CPUS, GPUS, MEMORY_MB = ("node1", "node2"), 4, 2, 6000
ODD, HYPHENS, SLICE = "node3", "a100-sxm4-80gb", "a100_1g.10gb"
PATIENCE = 600  # seconds for what must come about: a busy machine is slow, and a test that passes waits no longer
CONTROLLER_PORT, ACCOUNTING_PORT, NODE_PORT = 26817, 26819, 27001

SLURM_CONF = """\
ClusterName=codestill
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
# A short life of credentials lets a requeued job start after seconds rather than two minutes.
AuthInfo=socket={root}/munge/socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={root}/controller
SlurmdSpoolDir={root}/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
MailProg=/bin/true
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
{tracking}
{accounting}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# A node may claim more CPUs than the machine has: what is tested is who gets which, not how fast it is.
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
# A node is given up after so many seconds of silence; a killed job gets so many to clean up.
SlurmdTimeout=6
KillWait=20
MinJobAge=300
GresTypes=gpu
{nodes}
# The urgent partition takes what it wants from the others, whose jobs go back into the queue.
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=gpu Nodes={regular} Default=NO MaxTime=01:00:00 State=UP
PartitionName=cpu Nodes={regular} Default=YES MaxTime=01:00:00 State=UP
PartitionName=urgent Nodes={regular} Default=NO MaxTime=01:00:00 PriorityTier=2 State=UP
PartitionName=odd Nodes={odd} Default=NO MaxTime=01:00:00 State=UP
"""

ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
# Where munge's socket is: what talks to slurmdbd reads it here rather than in AuthInfo.
AccountingStoragePass={root}/munge/socket
AccountingStorageTRES=gres/gpu,gres/gpu:{hyphens},gres/gpu:{slice}
AccountingStoreFlags=job_comment"""

SLURMDBD_CONF = """\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
SlurmUser=root
CommunicationParameters=NoInAddrAny
LogFile={root}/log/slurmdbd.log
PidFile={root}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
"""


def alive(pid):
    """True where the process runs; one that ended and was not collected counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def until(true, what, seconds=PATIENCE):
    """Wait until `true()`; TimeoutError names what did not come about."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


class Cluster:
    """The cluster under ROOT: start and stop it, lose a node and bring it back, ask SLURM."""

    def __init__(self, accounting=True):
        self.accounting = accounting
        self.environment = os.environ | {"MYSQL_UNIX_PORT": f"{ROOT}/mysql.sock"}

    # -- asking ------------------------------------------------------------------------------------------------

    def ask(self, *command, check=True):
        """Standard output of one of SLURM's commands."""
        done = subprocess.run(command, env=self.environment, text=True, capture_output=True, timeout=60)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def answers(self, *command):
        """True where the command succeeds."""
        return subprocess.run(command, env=self.environment, capture_output=True, timeout=60).returncode == 0

    def cancel_all(self):
        """Cancel every job and wait until none is left, so that one test cannot disturb the next."""
        self.ask("scancel", "--user=root", check=False)
        until(lambda: not self.ask("squeue", "--noheader").strip(), "an empty queue")

    # -- starting ----------------------------------------------------------------------------------------------

    def start(self):
        """Bring everything up and wait until all nodes are idle. Raises where one already runs here."""
        if self._recorded():
            raise RuntimeError(f"{ROOT}/daemons names running daemons: stop them first")
        for link in map(ETC.joinpath, CONFIGS):
            if link.exists() and not link.is_symlink():
                raise RuntimeError(f"{link} belongs to this machine: run the tests on one without a SLURM")
        self._install()
        shutil.rmtree(ROOT, ignore_errors=True)
        for folder in ("log", "munge", "controller", *NODES, ODD):
            (ROOT / folder).mkdir(parents=True)
        ROOT.chmod(0o755)
        self._configure()
        try:
            self._start_munge()
            if self.accounting:
                self._start_accounting()
            self._launch("slurmctld", "slurmctld", "-D", "-i")
            until(lambda: self.answers("scontrol", "ping"), "slurmctld answers")
            for node in (*NODES, ODD):
                self.start_node(node)
            until(lambda: self._idle() == {*NODES, ODD}, "all nodes are idle")
            until(lambda: self.answers("srun", "--ntasks=1", "--immediate=5", "true"), "a job runs")
        except BaseException:
            self.stop()
            raise

    def _install(self):
        wanted = PACKAGES + (ACCOUNTING_PACKAGES if self.accounting else [])
        query = ["dpkg-query", "--show", "--showformat=${Status}"]
        missing = [
            name
            for name in wanted
            if "ok installed" not in subprocess.run([*query, name], capture_output=True, text=True).stdout
        ]
        if not missing:
            return
        # Debian starts services as it installs them; this file, while it is there, says no.
        policy = Path("/usr/sbin/policy-rc.d")
        ours = not policy.exists()
        if ours:
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        try:
            quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "check": True, "stdout": sys.stderr}
            subprocess.run(["apt-get", "update", "-qq"], **quiet)
            subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], **quiet)
        finally:
            if ours:
                policy.unlink()

    def _configure(self):
        # The controller of memory kills a job over its limit where cgroups of version 1 are mounted; elsewhere SLURM
        # looks every second and kills. It refuses to do both.
        mounts = Path("/proc/mounts").read_text()
        cgroup = all(f" /sys/fs/cgroup/{name} cgroup " in mounts for name in ("memory", "freezer"))
        tracking = (
            "ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup"
            if cgroup
            else "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherParams=OverMemoryKill"
        )
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={NODE_PORT + number} "
            f"CPUs={CPUS} Boards=1 SocketsPerBoard=1 CoresPerSocket={CPUS} ThreadsPerCore=1 RealMemory={MEMORY_MB} "
            f"Gres={f'gpu:{HYPHENS}:1,gpu:{SLICE}:1' if node == ODD else f'gpu:h100:{GPUS}'} State=UNKNOWN"
            for number, node in enumerate((*NODES, ODD))
        )
        accounting = (
            ACCOUNTING.format(port=ACCOUNTING_PORT, root=ROOT, hyphens=HYPHENS, slice=SLICE) if self.accounting else ""
        )
        text = SLURM_CONF.format(
            root=ROOT, controller_port=CONTROLLER_PORT, tracking=tracking, accounting=accounting, nodes=nodes,
            regular=",".join(NODES), odd=ODD,
        )  # fmt: skip
        (ROOT / "slurm.conf").write_text(text)
        # A GPU must be a character device, or CUDA_VISIBLE_DEVICES stays empty; nobody ever opens these.
        for number in range(GPUS):
            os.mknod(ROOT / f"nvidia{number}", 0o600 | 0o020000, os.makedev(240, number))
        files = [f"NodeName={','.join(NODES)} Name=gpu Type=h100 File={ROOT}/nvidia[0-{GPUS - 1}]"]
        files += [
            f"NodeName={ODD} Name=gpu Type={name} File={ROOT}/nvidia{n}" for n, name in enumerate((HYPHENS, SLICE))
        ]
        (ROOT / "gres.conf").write_text("\n".join(files) + "\n")
        (ROOT / "cgroup.conf").write_text(
            f"CgroupAutomount=no\nConstrainRAMSpace={'yes' if cgroup else 'no'}\nConstrainCores=no\n"
            "ConstrainDevices=no\nConstrainSwapSpace=no\n"
        )
        database = ROOT / "slurmdbd.conf"
        database.write_text(SLURMDBD_CONF.format(root=ROOT, port=ACCOUNTING_PORT))
        database.chmod(0o600)
        ETC.mkdir(exist_ok=True)
        self._unlink()
        for name in CONFIGS:
            (ETC / name).symlink_to(ROOT / name)

    def _unlink(self):
        for link in map(ETC.joinpath, CONFIGS):
            if link.is_symlink() and link.readlink() == ROOT / link.name:
                link.unlink()

    def _start_munge(self):
        folder = ROOT / "munge"
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        files = [f"--{name}={folder}/{name.removesuffix('-file')}" for name in ("key-file", "log-file", "pid-file")]
        files += [f"--seed-file={folder}/seed", f"--socket={folder}/socket"]
        self._launch("munged", "munged", "--foreground", *files)
        until(lambda: self.answers("munge", "--no-input", f"--socket={folder}/socket"), "munge answers")

    def _start_accounting(self):
        data, log = ROOT / "mysql", ROOT / "log" / "mariadb-install"
        with open(log, "w") as handle:
            install = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"]
            subprocess.run(install, check=True, stdout=handle, stderr=handle)
        self._launch(
            "mariadbd",
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={ROOT}/mysql.sock"),
            *(f"--pid-file={ROOT}/mariadbd.pid", "--skip-networking", "--innodb-flush-log-at-trx-commit=2"),
            *("--innodb-buffer-pool-size=128M", "--innodb-lock-wait-timeout=900"),
        )
        client = ("mariadb", "--no-defaults", f"--socket={ROOT}/mysql.sock", "--user=root", "--execute")
        until(lambda: self.answers(*client, "create database if not exists slurm_acct_db"), "mariadb answers")
        self._launch("slurmdbd", "slurmdbd", "-D")
        until(lambda: self.answers("sacctmgr", "--noheader", "list", "cluster"), "slurmdbd answers")
        manage = ("sacctmgr", "--immediate", "--quiet", "add")
        self.ask(*manage, "cluster", "codestill")
        self.ask(*manage, "account", "codestill", "cluster=codestill")
        self.ask(*manage, "user", "root", "account=codestill", "cluster=codestill")

    def _launch(self, name, program, *arguments):
        with open(ROOT / "log" / f"{name}.out", "a") as log:
            path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
            daemon = subprocess.Popen(
                [path, *arguments], env=self.environment, start_new_session=True, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip
        with open(ROOT / "daemons", "a") as record:
            record.write(f"{name} {daemon.pid}\n")
        return daemon

    # -- nodes -------------------------------------------------------------------------------------------------

    def _idle(self):
        return set(self.ask("sinfo", "--noheader", "--Node", "--states=idle", "--format=%N", check=False).split())

    def start_node(self, node):
        """Start a node's slurmd."""
        self._launch(f"slurmd-{node}", "slurmd", "-D", "-N", node)

    def crash_node(self, node):
        """A power cut: the node's slurmd, the daemons of its steps and the processes of its jobs end at once."""
        pid = dict(self._recorded())[f"slurmd-{node}"]
        os.kill(pid, signal.SIGKILL)
        mark = f"SLURMD_NODENAME={node}".encode()
        for _ in range(3):  # what was forked between two looks is met by the next
            for process in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if mark not in Path(f"/proc/{process}/environ").read_bytes().split(b"\0"):
                        continue
                    parent = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1]
                    if Path(f"/proc/{parent}/comm").read_text().strip() == "slurmstepd":
                        os.kill(int(parent), signal.SIGKILL)
                    os.kill(int(process), signal.SIGKILL)
                except (OSError, IndexError):
                    continue
            time.sleep(0.1)

    def revive(self):
        """Start what crashed, and wait until every node is idle."""
        running = dict(self._recorded())
        for node in NODES:
            if f"slurmd-{node}" not in running:
                self.start_node(node)
        until(lambda: self._idle() == {*NODES, ODD}, "all nodes are idle again")

    # -- stopping ----------------------------------------------------------------------------------------------

    def _recorded(self):
        """(name, pid) of each daemon that was started here and still runs under its own name."""
        path = ROOT / "daemons"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        found = []
        for name, pid in lines:
            command = Path(f"/proc/{pid}/comm")
            if alive(pid) and command.read_text().strip() == name.split("-")[0]:
                found.append((name, int(pid)))
        return found

    def stop(self):
        """Cancel the jobs, then end the daemons in reverse order: asked first, killed after ten seconds."""
        recorded = self._recorded()
        if "slurmctld" in dict(recorded):
            self.ask("scancel", "--user=root", check=False)
            try:
                until(lambda: not self.ask("squeue", "--noheader", check=False).strip(), "an empty queue", 15)
            except TimeoutError as error:
                print(error, file=sys.stderr)
        for name, pid in reversed(recorded):
            os.kill(pid, signal.SIGTERM)
            try:
                until(lambda pid=pid: not alive(pid), f"{name} ends", 10)
            except TimeoutError as error:
                print(f"{error}: killed", file=sys.stderr)
                os.kill(pid, signal.SIGKILL)
        (ROOT / "daemons").unlink(missing_ok=True)
        self._unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("--no-accounting", action="store_true", help="no database: sacct knows nothing, squeue does")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("error: SLURM's daemons need root to run jobs; run this as root")
    cluster = Cluster(accounting=not options.no_accounting)
    if options.action == "start":
        cluster.start()
        print(cluster.ask("sinfo", "--Node", "--format=%N %P %T %c %m %G"))
    else:
        cluster.stop()


if __name__ == "__main__":
    main()
