"""Snakemake that asks SLURM each second how its jobs are; the executor would wait ten seconds longer each time.

The tests wait for the ends of jobs of half a minute, which it would learn half a minute later. (The drivers that run
within a job are the plain Snakemake.)
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(self):
    """In place of the wait between two questions."""
    await asyncio.sleep(1)


if __name__ == "__main__":
    RemoteExecutor.sleep = sleep
    sys.exit(main())
