"""The plan of a study, from one dry run of its graph."""

from codestill.cluster.dry_run import dry_run
from codestill.cluster.snakemake_view import jobs_of, names_of
from codestill.plan.estimates import Estimator
from codestill.plan.plan import Plan
from codestill.plan.stranded_outputs import stranded
from codestill.study.config_files import ConfigFiles


def planned(snakefile, configfiles, targets=(), cores=1, forceall=False, values=None):
    """(Plan, stranded outputs or None where only targets are asked for); of `configfiles`, one is laid over the other,
    and `values` over all.

    Raises UserError where the graph is none.
    """
    ConfigFiles(configfiles)  # Snakemake would tell one that is none in other words; the workflow tells the rest
    with dry_run(snakefile, configfiles, values, targets=targets, cores=cores, forceall=forceall) as workflow:
        study, layout = (names_of(workflow)[name] for name in ("STUDY", "PLACE"))
        jobs = jobs_of(workflow, explain=True)
    plan = Plan(study, layout, jobs, Estimator(study, layout))
    return plan, None if targets else stranded(layout.results, jobs)
