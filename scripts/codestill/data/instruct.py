"""Prompts with responses: the rows of instruction data sets as conversations, whatever their columns are called.

A conversation is a list of {role: system | user | assistant, content}. As training text it is a `Chat`: read plainly it
is the prompt, an empty line and the response; what learns from it renders it by the tokenizer's chat template
(models/chat.py), and only what the assistant says is learnt.
"""

from codestill.data.code_in_text import code_in
from codestill.data.functions import digest, parse_code
from codestill.kit.program import UserError

# Columns of published data sets: (prompt, context that is added to it where there is any, response).
_PAIRS = (
    ("prompt", None, "response"),
    ("instruction", "input", "output"),  # Alpaca, CodeAlpaca
    ("problem", None, "solution"),  # Magicoder-OSS-Instruct
    ("instruction", None, "response"),  # Magicoder-Evol-Instruct
    ("input", None, "output"),  # OpenCodeInstruct
    ("question", None, "answer"),
)
FIELDS = ("messages", "prompt", "response")  # what columns may be mapped to
_TURNS = ("messages", "conversations")
# ShareGPT's names, and others'.
_ROLES = {"human": "user", "developer": "system"} | dict.fromkeys(
    ("gpt", "model", "bot", "chatgpt", "bing"), "assistant"
)
_SYSTEM = ("system", "system_prompt")  # columns of what is said before all turns


class Chat(str):
    """A conversation as training text."""

    def __new__(cls, messages):
        made = super().__new__(cls, "\n\n".join(one["content"] for one in messages))
        made.messages = messages
        return made


def record(row, columns, origin):
    """The corpus' record of a row: {messages, code: the last response, docstring: the first prompt, format, ...}.

    columns: {messages, prompt, response: theirs} where the names are none that data sets use. Raises UserError where
    no columns fit.
    """
    messages = [one for one in _messages(row, columns, origin) if one["content"].strip()]
    told = next((row[name] for name in _SYSTEM if isinstance(row.get(name), str) and row[name].strip()), None)
    if told and not any(one["role"] == "system" for one in messages):
        messages.insert(0, {"role": "system", "content": told})
    said = {role: [one["content"] for one in messages if one["role"] == role] for role in ("user", "assistant")}
    prompt, response = next(iter(said["user"]), ""), next(reversed(said["assistant"]), "")
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()  # what nobody answered teaches nothing
    names = {name: str(row.get(columns.get(name, name)) or "") for name in ("repo", "path", "url")}
    found = {"messages": messages, "code": response, "docstring": prompt, "func_name": "", "format": "instruct"}
    return found | names | ({"partition": row["partition"]} if row.get("partition") else {})


def _messages(row, columns, origin):
    turns = next((name for name in (columns.get("messages"), *_TURNS) if isinstance(row.get(name), list)), None)
    if turns:
        return [_turn(one, origin) for one in row[turns]]
    asked = [(columns["prompt"], None, columns["response"])] if {"prompt", "response"} <= columns.keys() else _PAIRS
    for prompt, context, response in asked:
        if isinstance(row.get(prompt), str) and isinstance(row.get(response), str):
            more = row.get(context) if context else None
            text = f"{row[prompt]}\n\n{more}" if isinstance(more, str) and more.strip() else row[prompt]
            return [{"role": "user", "content": text}, {"role": "assistant", "content": row[response]}]
    raise UserError(
        f"{origin}: no columns of prompt and response; map them with --columns prompt=COLUMN response=COLUMN, of "
        f"{', '.join(sorted(row))}"
    )


def _turn(turn, origin):
    role = turn.get("role", turn.get("from")) if isinstance(turn, dict) else None
    text = turn.get("content", turn.get("value")) if isinstance(turn, dict) else None
    if isinstance(text, list) and all(isinstance(one, dict) and isinstance(one.get("text"), str) for one in text):
        text = "".join(one["text"] for one in text)  # content in parts, all of them text
    role = role.lower() if isinstance(role, str) else role
    role = _ROLES.get(role, role)
    if role not in ("system", "user", "assistant") or not isinstance(text, str):
        raise UserError(f"{origin}: a turn needs role (system, user or assistant) and content, not {str(turn)[:80]}")
    return {"role": role, "content": text}


def code_of(row):
    """The syntax tree of the code in a record's response, of an empty module where it holds none."""
    tree = parse_code(code_in(row["code"]))
    return tree if tree is not None else parse_code("")


def said(row):
    """A number for all that a conversation says, up to blanks."""
    return digest("\x00".join(f"{one['role']} {' '.join(one['content'].split())}" for one in row["messages"]))
