"""What a corpus' tokens rest on: how their embedding rows were made, and how many other tokenizers would take."""

import numpy as np

from codestill.kit.program import log

FEW = 0.5  # of the corpus: where fewer tokens keep their row, the student starts far from what it knew
COMPARED = 2000  # functions by which tokenizers are compared
LENGTHS = (256, 512, 1024, 2048)


def shares_by_kind(counts, vocabulary):
    """{kind: share of the tokens} by how the student's rows were made, from match_vocabulary.py's report.

    counts: how often each id stands in the corpus, int64 [ids]. None where the policy made no rows. `alike` are those
    among them whose row came out as another's.
    """
    if "ids" not in vocabulary:
        return None
    counts = np.pad(counts, (0, max(0, vocabulary["rows"] - len(counts))))
    shares = {kind: float(counts[rows].sum() / counts.sum()) for kind, rows in vocabulary["ids"].items()}
    alike = shares.pop("alike")
    shares = {"exact": 1.0 - sum(shares.values()), **shares}
    told = ", ".join(f"{share:.1%} {kind}" for kind, share in shares.items())
    log(f"tokens of the corpus by how their rows were made: {told}; {alike:.1%} had a row like another's")
    if shares["exact"] + shares["special"] < FEW:
        log("warning: few tokens of the corpus keep their row; a student of the teacher's own family starts nearer")
    return {**shares, "alike": alike}


def lengths_by_tokenizer(folders, texts, longest):
    """{folder: tokens a function, start and end included; shares above LENGTHS, and `cut` at `longest`} of `texts`."""
    from codestill.models.tokenizers import load_tokenizer, plain_ids, start_ids

    found = {}
    for folder in folders:
        tokenizer = load_tokenizer(folder)
        added = 1 + len(start_ids(tokenizer))
        counts = np.array([len(ids) + added for ids in plain_ids(tokenizer, texts)])
        above = {str(length): float((counts > length).mean()) for length in LENGTHS}
        found[str(folder)] = {"functions": len(counts), "tokens_per_function": float(counts.mean()), "above": above}
        found[str(folder)]["cut"] = cut = float((counts > longest).mean())
        log(f"{folder}: {counts.mean():,.1f} tokens a function, {cut:.1%} of them above {longest}")
    return found
