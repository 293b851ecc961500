"""Grade what comes on standard input as JSON in a pool of one level; exits with 3 where that is not offered.

What is not sure runs again alone, as in a grader.
"""

import json
import sys

from codestill.grading.sandbox.pool import Job, Pool
from codestill.kit.program import UserError

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    jobs = [Job(name, asked["problem"], source) for name, source in asked["sources"].items()]
    try:
        pool = Pool(asked["count"], asked["memory"], allow_weak=True, wanted=asked["level"])
    except UserError as error:
        print(error)
        sys.exit(3)
    with pool:
        outcomes = dict(pool.run(jobs, asked["timeout"]))
        doubtful = [job for job in jobs if not outcomes[job.key]["sure"]]
        json.dump(outcomes | dict(pool.run(doubtful, asked["timeout"], alone=True)), sys.stdout)
