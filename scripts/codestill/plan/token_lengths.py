"""How long functions are in tokens, by the study's tokenizer and by those that another vocabulary policy would take."""

from pathlib import Path

# Whose tokenizer cuts the text under a policy, by the folder that it was compared from.
POLICIES = {"teacher": "policy transfer", "student": "policy shared"}


def told_lengths(accounts):
    """[(whose tokenizer, what it makes of the training functions)] of tokens/accounting.json; [] where it has none."""
    train = accounts.get("splits", {}).get("train", {})
    if not {"functions", "tokens", "cut_tokens", "truncated"} <= train.keys():
        return []
    limit, count = accounts["max_seq_length"], train["functions"]
    own = (train["tokens"] + train["cut_tokens"]) / count, train["truncated"] / count
    found = [("the study's tokenizer", _told(*own, limit))]
    for folder, one in train.get("lengths", {}).items():
        if "cut" in one:  # accounts of an earlier edition do not say
            name = Path(folder).name
            whose = f"the tokenizer of {name} ({POLICIES[name]})" if name in POLICIES else f"the tokenizer of {name}"
            found.append((whose, _told(one["tokens_per_function"], one["cut"], limit)))
    return found


def _told(mean, cut, limit):
    return f"{mean:,.0f} tokens a function, {cut:.1%} of the functions cut at {limit}"
