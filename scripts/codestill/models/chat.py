"""Conversations as a tokenizer's chat template renders them, and which of their tokens are learnt."""

import numpy as np

from codestill.kit.program import UserError

PLAIN_BREAK = "\n\n"  # between prompt and response, for tokenizers without a template
_OWN_MASK = "{% generation %}"
INSTRUCTION = "Complete this Python function. Answer with the whole function in one code block.\n\n```python\n{}\n```"


def has_template(tokenizer):
    """Whether a tokenizer has a chat template of its own."""
    return bool(getattr(tokenizer, "chat_template", None))


def differ(teacher, student):
    """Whether both tokenizers have a chat template, and not the same."""
    return has_template(teacher) and has_template(student) and teacher.chat_template != student.chat_template


def prompt_text(tokenizer, messages):
    """The text behind which the assistant's answer begins."""
    if not has_template(tokenizer):
        return PLAIN_BREAK.join(one["content"] for one in messages) + PLAIN_BREAK
    return _rendered(tokenizer, messages, add_generation_prompt=True)


def _rendered(tokenizer, messages, **options):
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, **options)
    except Exception as error:  # a template may raise whatever it likes
        raise UserError(f"{tokenizer.name_or_path}: its chat template refuses a conversation: {error}") from None


def spans_of(tokenizer, messages):
    """(text, [(start, stop)]): a conversation rendered, and the characters of it that are learnt.

    Learnt is what the assistant says and the special token that ends it. A template that renders an earlier turn
    otherwise once others follow gives that turn no span.
    """
    if not has_template(tokenizer):
        text = PLAIN_BREAK.join(one["content"] for one in messages)
        return text, [(len(text) - len(messages[-1]["content"]), len(text))]
    text, spans = _rendered(tokenizer, messages), []
    for number, one in enumerate(messages):
        if one["role"] != "assistant":
            continue
        before = prompt_text(tokenizer, messages[:number])
        whole = _rendered(tokenizer, messages[: number + 1])
        if not (whole.startswith(before) and text.startswith(whole)):
            continue
        spans.append((len(before), len(before) + _end_of_turn(tokenizer, whole[len(before) :], one["content"])))
    if not spans:
        raise UserError(
            f"{tokenizer.name_or_path}: its chat template does not show where an answer begins: the prompt is no "
            "beginning of the conversation"
        )
    return text, spans


def _end_of_turn(tokenizer, rest, content):
    """How many characters of `rest`, an answer and what the template puts behind it, are learnt."""
    said = rest.find(content.strip())
    behind = said + len(content.strip()) if said >= 0 else len(rest.rstrip())
    ends = [rest.find(token, behind) + len(token) for token in tokenizer.all_special_tokens if token in rest[behind:]]
    return min(ends, default=behind)


def prompt_ids(tokenizer, prompt):
    """The ids of a benchmark's prompt as a question to a chat model, up to where its answer begins."""
    text = prompt_text(tokenizer, [{"role": "user", "content": INSTRUCTION.format(prompt)}])
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    return backend.encode(text, add_special_tokens=False).ids


def encode(tokenizer, messages):
    """(ids int32 [tokens], learnt bool [tokens], bytes int64 [tokens] of the text of each, 0 for special tokens).

    learnt is the tokenizer's own assistant mask where its template marks one. Without a template the end token follows
    and is learnt.
    """
    text, spans = spans_of(tokenizer, messages)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    found = backend.encode(text, add_special_tokens=False)
    special = set(tokenizer.all_special_ids)
    ids, offsets = found.ids, found.offsets
    learnt = [any(start <= place[0] < stop for start, stop in spans) for place in offsets]
    if has_template(tokenizer) and _OWN_MASK in tokenizer.chat_template:
        own = tokenizer.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        if own["input_ids"] == ids:
            learnt = [bool(one) for one in own["assistant_masks"]]
    sizes, last = [], 0
    for index, (_, stop) in zip(ids, offsets, strict=True):
        sizes.append(0 if index in special else len(text[last:stop].encode()))
        last = max(last, stop)
    if not has_template(tokenizer):
        ids, learnt, sizes = [*ids, tokenizer.eos_token_id], [*learnt, True], [*sizes, 0]
    return np.array(ids, np.int32), np.array(learnt, bool), np.array(sizes, np.int64)
