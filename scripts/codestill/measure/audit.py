"""Has the teacher learned code as code is written? Bits per byte on three layouts of one text, against xz, and parses.

A teacher whose pretraining erased newlines and indentation is good at collapsed text and poor at real code; a student
would learn that from it. `judgement` names what is wrong.
"""

import ast
import lzma
import math
import re

import torch

from codestill.data.batches import IGNORE
from codestill.data.functions import FUNCTIONS, parse
from codestill.distill.evaluation import batch_sums
from codestill.distill.objective import PLAIN
from codestill.models.token_bytes import text_pieces
from codestill.models.tokenizers import plain_encodings, plain_ids, start_ids

COLLAPSED_MARGIN = 0.1  # bits per byte by which raw text may cost more than collapsed text
XZ = {"format": lzma.FORMAT_RAW, "filters": [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]}


def collapsed(text):
    """All runs of white space made one blank: layout erased."""
    return " ".join(text.split())


def reindented(text):
    """Every four leading blanks made two, every leading tab four blanks: layout kept, but another."""
    return re.sub(r"(?m)^[ \t]+", lambda match: _other_indent(match.group()), text)


def _other_indent(blanks):
    return "    " * blanks.count("\t") + "  " * (blanks.count(" ") // 4) + " " * (blanks.count(" ") % 4)


LAYOUTS = {"raw": lambda text: text, "collapsed": collapsed, "reindented": reindented}


def xz_bits_per_byte(texts):
    """Bits per byte of `texts` together, compressed as one stream by xz -9e, without a container's header."""
    data = "\n\n\n".join(texts).encode()
    return 8 * len(lzma.compress(data, **XZ)) / len(data)


@torch.no_grad()
def bits_per_byte(model, tokenizer, texts, max_length, device, batch_size=8):
    """(bits per byte, bytes): summed -log2 likelihood of all tokens that have one before them, over their bytes.

    Only behind a start token has a text's first token one before it. Texts are cut to `max_length` tokens; what is cut
    is neither in the bits nor in the bytes.
    """
    nats = size = 0
    encodings, start_with = list(plain_encodings(tokenizer, texts)), start_ids(tokenizer)
    led = len(start_with)
    for start in range(0, len(texts), batch_size):
        rows = []
        for text, encoding in zip(texts[start:], encodings[start : start + batch_size], strict=False):
            ids = [*start_with, *encoding.ids][:max_length]
            if len(ids) < led + 1 + (not led):
                continue
            first = 0 if led else encoding.token_to_chars(0)[1]
            size += len(text[first : encoding.token_to_chars(len(ids) - led - 1)[1]].encode())
            rows.append(ids)
        if rows:
            batch = _padded(rows, device)
            batch["labels"][:, :led] = IGNORE
            nats += batch_sums(model, batch, PLAIN, None, torch.float32)[0].item()
    return nats / math.log(2) / max(size, 1), size


def _padded(rows, device):
    longest = max(map(len, rows))
    batch = {"input_ids": 0, "position_ids": 0, "labels": IGNORE}
    batch = {name: torch.full((len(rows), longest), fill, device=device) for name, fill in batch.items()}
    for number, ids in enumerate(rows):
        batch["input_ids"][number, : len(ids)] = batch["labels"][number, : len(ids)] = torch.tensor(ids)
        batch["position_ids"][number, : len(ids)] = torch.arange(len(ids))
    return batch


def prompt_of(text):
    """Signature and docstring of a function's text, without the newline after it; None where it has no docstring."""
    tree = parse(text)
    function = next((node for node in tree.body if isinstance(node, FUNCTIONS)), None) if tree else None
    if function is None or ast.get_docstring(function) is None or len(function.body) < 2:
        return None
    return "\n".join(text.split("\n")[: function.body[0].end_lineno])


def first_function(text, prompt):
    """`text` up to the first line after the prompt that is not indented: where the function ends."""
    lines = text[len(prompt) :].split("\n")
    for number, line in enumerate(lines[1:], 1):
        if line.strip() and not line[0].isspace():
            lines = lines[:number]
            break
    return prompt + "\n".join(lines)


def parses(text):
    """Whether the text is Python."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


@torch.no_grad()
def parse_rate(model, tokenizer, texts, samples, new_tokens, device, most):
    """{rate, samples}: how many greedy completions of real prompts are functions that parse, with a body.

    A sample that was cut by `new_tokens` counts by its whole lines.
    """
    tried = sound = 0
    pieces = text_pieces(tokenizer, len(tokenizer))
    for text in texts:
        prompt = prompt_of(text)
        ids = [*start_ids(tokenizer), *plain_ids(tokenizer, [prompt])[0]] if prompt else None
        if ids is None or len(ids) + new_tokens > most:
            continue
        ids = torch.tensor([ids], device=device)
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=new_tokens,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.eos_token_id,
        )[0, ids.shape[1] :]
        completion = b"".join(pieces[index] for index in output.tolist() if index < len(pieces)).decode(
            errors="replace"
        )
        if len(output) == new_tokens and output[-1] != tokenizer.eos_token_id:
            completion = completion.rsplit("\n", 1)[0]
        function = first_function(prompt + completion, prompt)
        tried += 1
        sound += parses(function) and bool(function[len(prompt) :].strip())
        if tried == samples:
            break
    return {"rate": sound / tried if tried else None, "samples": tried}


def measure(model, tokenizer, texts, max_length, device, samples, new_tokens):
    """The audit's figures for a model in evaluation mode on the texts of functions."""
    figures = {"functions": len(texts), "max_seq_length": max_length, "bits_per_byte": {}, "bytes": {}}
    for name, change in LAYOUTS.items():
        bits, size = bits_per_byte(model, tokenizer, [change(text) for text in texts], max_length, device)
        figures["bits_per_byte"][name], figures["bytes"][name] = bits, size
    figures["xz"] = xz_bits_per_byte(texts)
    figures["greedy"] = parse_rate(model, tokenizer, texts, samples, new_tokens, device, _positions(model))
    return figures


def _positions(model):
    return getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31


def judgement(figures):
    """What is wrong with the teacher, one line each; empty where it may teach."""
    raw, flat = figures["bits_per_byte"]["raw"], figures["bits_per_byte"]["collapsed"]
    wrong = []
    if not raw < figures["xz"]:
        wrong.append(f"{raw:.3f} bits per byte on validation text are not below the {figures['xz']:.3f} of xz")
    if raw > flat + COLLAPSED_MARGIN:
        wrong.append(f"raw text costs {raw:.3f} bits per byte, collapsed text {flat:.3f}: it has not learned layout")
    return wrong
