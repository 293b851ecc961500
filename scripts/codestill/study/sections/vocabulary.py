"""The config's section `vocabulary`: how teacher and student come to share token ids."""

from typing import Literal

from pydantic import model_validator

from codestill.study.section import Section, field, wrong


class Vocabulary(Section):
    """How teacher and student come to share token ids."""

    policy: Literal["transfer", "same", "shared"] = field(
        "transfer", "transfer: student takes the teacher's tokenizer; same; shared: teacher's extends it"
    )
    embeddings: Literal["pieces", "teacher"] = field(
        "pieces", "transfer only: new rows from the student's pieces, or the teacher's rows"
    )
    size: int = field(2048, "tokens of the byte-level BPE that is trained where the teacher is a shape", ge=258)

    @model_validator(mode="after")
    def _acts(self):
        if self.policy != "transfer" and self.embeddings != "pieces":
            raise wrong("embeddings", f"acts where policy is transfer, not {self.policy}; remove it")
        return self
