"""Codestill: distil a code model. Each line below is one step of the way from a download to a report."""

from snakemake.utils import min_version

min_version("9.20.0")


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/download.smk"
include: "rules/tokenize.smk"
include: "rules/teach.smk"
include: "rules/recipes.smk"
include: "rules/distill.smk"
include: "rules/finalists.smk"
include: "rules/compress.smk"
include: "rules/task.smk"
include: "rules/generate.smk"
include: "rules/look_up.smk"
include: "rules/grade.smk"
include: "rules/measure.smk"
include: "rules/report.smk"


snakemake_view.remember_signatures(workflow)


# On a cluster these run where Snakemake runs, which may reach the network and has little to do.
localrules:
    download_model,
    download_corpus,
    download_benchmark,
    manifest,
    gather_samples,
    resolve_study,
    report,


rule all:
    default_target: True
    input:
        rules.report.output,
        PLACE.cards(),
