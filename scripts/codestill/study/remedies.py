"""Which field of the config a flag of a program stands for, so that an error within a study names what to edit."""

import typing
from collections import defaultdict

from codestill.study.flags import flag_of, names_of
from codestill.study.section import parts_of
from codestill.study.sections.benchmarks import Benchmark
from codestill.study.sections.corpus import Source, Split, Tokens
from codestill.study.sections.distillation import Distillation
from codestill.study.sections.generation import Generation
from codestill.study.sections.grading import Grading
from codestill.study.sections.measures import Measures
from codestill.study.sections.models import Teacher
from codestill.study.sections.origins import Origin
from codestill.study.sections.recipes import Recipes
from codestill.study.sections.training import Training
from codestill.study.sections.vocabulary import Vocabulary

# {program, and its first word where that chooses: {where in the config: the section whose fields are its flags}}
HOMES = {
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
    "write_text": {"recipes": Recipes},
    "prepare_corpus": {"corpus": Split},
    "download model": {"MODEL": Origin},
    "download corpus": {"corpus.sources.NAME": Source},
    "download benchmark": {"benchmarks.NAME": Benchmark},
}
# Flags that a rule takes from another section than its program's own.
LENT = {
    "distill": {"seed": "seeds", "adapter": "MODEL.adapter", "load_in": "MODEL.load_in"},
    "teach": {"seed": "MODEL.seed", "adapter": "MODEL.adapter", "load_in": "MODEL.load_in"},
    "choose": {"seeds": "seeds", "shortlist": "selection.finalists", "by": "selection.by", "on": "selection.on"},
    "cache_teacher": {"device": "training.device", "batch_size": "training.eval_batch_size"},
    "tokenize_corpus": {"workers": "corpus.workers"},
    "audit": {"device": "generation.device", "threads": "generation.threads"},
    "measure": {"device": "generation.device", "threads": "generation.threads"},
    "generate": {"n": "benchmarks.NAME.n"},
    "grade": {"k": "benchmarks.NAME.k", "trust": "benchmarks.NAME.trust"},
    "check_benchmark": {"trust": "benchmarks.NAME.trust"},
    "build_model": {
        "shape": "MODEL.shape",
        "vocab_size": "vocabulary.size",
        "every": "student.every_layer_of_teacher or models.NAME.every",
        "seed": "MODEL.seed",
    },
}


def fields_of_programs():
    """{program: {flag: [the config's field, the words that it takes]}} of what a study decides.

    Under "": flags that mean one field alone, whichever program has them, since a remedy may name another program's.
    """
    found, meant, words = {}, defaultdict(dict), {}
    for program, sections in HOMES.items():
        found[program] = {}
        for where, section in sections.items():
            words |= {f"{where}.{name}": words_of(info.annotation) for name, info in section.model_fields.items()}
            for name in names_of(section):
                field = f"{where}.{name}", words[f"{where}.{name}"]
                found[program][flag_of(section, name)] = field
                if not where.startswith("teacher."):  # the teacher's training has the fields of all trainings
                    meant[flag_of(section, name)][field[0]] = field
    for program, lent in LENT.items():
        found.setdefault(program, {}).update({flag: (name, words.get(name, [])) for flag, name in lent.items()})
    common = {flag: next(iter(fields.values())) for flag, fields in meant.items() if len(fields) == 1}
    return {"": common, **found}


def words_of(annotation):
    """What a field takes, where that is one of some words; ["true"] of a switch."""
    if bool in parts_of(annotation):
        return ["true"]
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return [str(one) for one in inner]
    return [word for one in inner for word in words_of(one)]
