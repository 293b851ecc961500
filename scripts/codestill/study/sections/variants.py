"""The config's section `variants`: models made smaller by an operation of codestill/models/compression.py."""

from typing import Annotated, Literal

from pydantic import Field, create_model, model_validator

from codestill.study.entries import compressions
from codestill.study.section import References, Section, field, wrong
from codestill.study.sections.experiments import Scalar
from codestill.study.sections.training import Adapter

Share = Annotated[float, Field(gt=0, lt=1)]


class _Variant(Section):
    """A model made smaller by one operation, and distilled again from what it was made of where it has a heal."""

    of: References | None = field(None, "models, or other variants; null: teacher and best_distilled", flag=False)
    by: Literal["magnitude", "activation"] | None = field(
        None, "prune: what ranks; null: magnitude for a share, activation (of training text) for parts", flag=False
    )
    heal: dict[str, Scalar] | None = field(
        None, "axes of a cell in which the variant learns from its parent (`{}`: the study's defaults)", flag=False
    )

    adapter: Adapter | None = field(
        None, "what cells train that start from it, merged into the model that they write; null: all its weights",
        flag=False,
    )  # fmt: skip

    @property
    def operation(self):
        """The name of the operation."""
        return next(name for name in compressions() if getattr(self, name) is not None)

    @property
    def value(self):
        """What the operation is given; of a mapping what is set."""
        found = getattr(self, self.operation)
        return found.model_dump(exclude_none=True) if isinstance(found, Section) else found

    @property
    def ranked_by(self):
        """What the operation ranks by, None where it ranks nothing."""
        if not compressions()[self.operation].get("by"):
            return None
        return self.by or ("activation" if isinstance(self.value, dict) else "magnitude")

    @model_validator(mode="after")
    def _one_operation(self):
        known = compressions()
        given = [name for name in known if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one operation ({', '.join(known)}), not {given or 'none'}")
        if self.by is not None and not known[given[0]].get("by"):
            raise wrong("by", f"acts on prune, not on {given[0]}; remove it")
        if self.value == {}:
            raise wrong(given[0], f"names nothing; give one of {', '.join(known[given[0]]['parts'])}")
        if self.heal is not None and known[given[0]].get("last"):
            raise wrong("heal", f"a model that was {given[0]}d is not trained here; remove it")
        if self.heal is not None and isinstance(self.value, float):  # no mask is kept
            raise wrong("heal", "training fills the zeros again; prune {mlp: ...} can be healed")
        if self.adapter is not None and self.value == "int8":
            raise wrong("adapter", "learns on whole weights or on nf4, not on int8; remove it")
        for axis in self.heal or {}:
            if axis in ("teacher", "student", "seed", "init", "teacher_seed"):
                raise wrong("heal", f"{axis} is the variant's own: it learns from its parent; remove it")
        return self


def _type(entry):
    """The type of an operation's field, from its entry in OPERATIONS."""
    kinds = [Literal[tuple(entry["values"])]] if entry.get("values") else []
    if entry.get("share"):
        kinds.append(Share)
    if entry.get("parts"):
        shares = {part: (Share | None, field(None, f"share of the {part} that is kept")) for part in entry["parts"]}
        kinds.append(create_model("KeptParts", __base__=Section, __doc__="What structured pruning keeps.", **shares))
    found = kinds[0]
    for kind in kinds[1:]:
        found = found | kind
    return found | None


Variant = create_model(
    "Variant",
    __base__=_Variant,
    __doc__=_Variant.__doc__,
    **{name: (_type(one), field(None, one["words"], flag=False)) for name, one in compressions().items()},
)
