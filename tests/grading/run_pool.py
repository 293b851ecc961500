"""Grade what comes on standard input as JSON in a pool of one level; exits with 3 where that is not offered."""

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
        json.dump(dict(pool.run(jobs, asked["timeout"])), sys.stdout)
