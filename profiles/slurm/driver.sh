#!/bin/bash
# Snakemake itself within a job, for sites whose login node ends long processes. In the repository's root:
#
#   sbatch profiles/slurm/driver.sh                                      the home study
#   sbatch profiles/slurm/driver.sh --configfile config/qwen.yaml        what follows goes to Snakemake
#
# It needs a partition whose nodes may submit jobs, and outlives its own time limit: five minutes before it, Snakemake
# is ended, its jobs go on, and this job goes back into the queue. The next Snakemake submits what was running once
# more; those copies wait for the first ones (a lease in the work folder) and find the work done.
# A driver of the same name waits until the first has ended, so that two never run one study at once. For a second study,
# give the job a name of its own: sbatch --job-name=codestill-qwen profiles/slurm/driver.sh --configfile config/qwen.yaml
#SBATCH --job-name=codestill-driver
#SBATCH --partition=cpu
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=4000
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --dependency=singleton
#SBATCH --open-mode=append
#SBATCH --output=driver-%j.log

snakemake=.venv/bin/snakemake
[ -x "$snakemake" ] || snakemake=$(command -v snakemake) || { echo "error: no snakemake; run make install"; exit 2; }
job=$SLURM_JOB_ID

# Snakemake asked to end would wait for its jobs, and interrupted would cancel them; killed, it leaves them alone.
go_on() {
    echo "$(date '+%F %T') the time limit is near: the jobs go on, and so does this one, from the queue"
    kill -KILL "$driver"
    wait "$driver" 2>/dev/null
    scontrol requeue "$job"
    sleep 60
}
trap go_on USR1
# The end of the job itself, by scancel: the jobs are cancelled with it.
trap 'kill -INT "$driver"; wait "$driver"; exit 143' TERM

# Job control: without it a shell starts what it sends to the background deaf to SIGINT.
set -m
echo "$(date '+%F %T') job $job on $(hostname), start $((${SLURM_RESTART_COUNT:-0} + 1))"
# Without Snakemake's lock, which a killed Snakemake leaves behind: SLURM lets one driver of a name run at a time.
"$snakemake" --profile slurm --nolock "$@" &
driver=$!
wait "$driver"
