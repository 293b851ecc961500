"""Whether transformers can build and run a model of a shape, tried without weights (study/shape_trial.py asks).

    echo '{"shape": {"model_type": "gpt2", "n_layer": 2}, "rows": 400, "tokens": 128, "base": "teacher"}' \\
        | python -m codestill.models.meta_trial

Prints `[field, what is wrong]`, or `[]`.
"""

import json
import sys

from codestill.kit.program import UserError
from codestill.models.loading import short

SIZES = ("num_hidden_layers", "num_attention_heads", "hidden_size")


class _Tokens:
    """What a shape takes of a tokenizer, before there is one."""

    bos_token_id = eos_token_id = 0
    pad_token_id = 1

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return self.rows


def wrong_with(shape, rows, tokens, base):
    """[field, what is wrong] of a shape with `rows` embeddings on rows of `tokens` tokens; [] where nothing is."""
    from codestill.models.shapes import config_of

    try:
        config = config_of(shape, _Tokens(rows))
        inner = config.get_text_config()
        for name in SIZES:
            value = getattr(inner, name, 1)
            if not isinstance(value, int) or value < 1:
                own = inner.attribute_map.get(name, name)
                return [f"{base}.shape.{own}", f"must be a whole number from 1 on, not {value!r}"]
        heads, groups = (getattr(inner, name, 1) for name in ("num_attention_heads", "num_key_value_heads"))
        if isinstance(groups, int) and (groups < 1 or heads % groups):
            return [f"{base}.shape.num_key_value_heads", f"{groups} do not divide the {heads} attention heads"]
        limit = getattr(inner, "max_position_embeddings", None)
        if isinstance(limit, int) and limit < tokens:
            own = inner.attribute_map.get("max_position_embeddings", "max_position_embeddings")
            remedy = f"{limit} positions are fewer than tokens.max_seq_length = {tokens}; raise it, or lower that"
            return [f"{base}.shape.{own}", remedy]
        _run(config)
    except UserError as error:
        text = str(error).removeprefix("shape: ")
        name = next((name for name in shape if f'"{name}"' in text), None)
        return [f"{base}.shape.{name}" if name else f"{base}.shape", text]
    return []


def _run(config):
    """Build the model and run it on two tokens, on torch's device without memory."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"), torch.no_grad():
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
            model(input_ids=torch.zeros((1, 2), dtype=torch.int64), use_cache=False)
    except Exception as error:  # what does not fit together shows in many ways
        # Some models look into their numbers, which are not there: what that says is nothing about the shape.
        if isinstance(error, NotImplementedError) or "meta" in str(error):
            return
        raise UserError(f"shape: no causal language model {config.model_type} has it ({short(error)})") from error


if __name__ == "__main__":
    print(json.dumps(wrong_with(**json.load(sys.stdin))))
