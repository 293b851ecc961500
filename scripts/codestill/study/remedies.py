"""Which field of the config a flag of a program stands for, so that an error within a study names what to edit."""

from codestill.study.flags import flag_of, names_of
from codestill.study.sections.corpus import Split, Tokens
from codestill.study.sections.distillation import Distillation
from codestill.study.sections.generation import Generation
from codestill.study.sections.grading import Grading
from codestill.study.sections.measures import Measures
from codestill.study.sections.models import Teacher, Vocabulary
from codestill.study.sections.training import Training


def fields_of_programs():
    """{program: {flag: the config's field}} of what a study decides, so that a remedy can name the field."""
    homes = {
        "distill": {"training": Training, "distillation": Distillation},
        "teach": {"teacher.training": Training},
        "cache_teacher": {"distillation": Distillation},
        "audit": {"teacher": Teacher},
        "generate": {"generation": Generation},
        "grade": {"grading": Grading},
        "check_benchmark": {"grading": Grading},
        "measure": {"measures": Measures},
        "match_vocabulary": {"vocabulary": Vocabulary},
        "tokenize_corpus": {"tokens": Tokens},
        "prepare_corpus": {"corpus": Split},
    }
    found = {program: {} for program in homes}
    for program, sections in homes.items():
        for where, section in sections.items():
            found[program] |= {flag_of(section, name): f"{where}.{name}" for name in names_of(section)}
    for program in ("distill", "teach", "cache_teacher", "audit"):
        found[program]["max_seq_length"] = "tokens.max_seq_length"
    for program in ("grade", "check_benchmark"):
        found[program]["trust"] = "benchmarks.NAME.trust"
    return found
