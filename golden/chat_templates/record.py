"""Renders the templates of `cases.py` in transformers' own environment: `python record.py > rendered.json`."""

import datetime
import json
import sys

import jinja2
import transformers
from transformers.utils import chat_template_utils

from cases import ARGUMENTS, DATES, EXPRESSIONS, FORMATS, MESSAGES, TEMPLATES

MOMENT = "2026-03-04T05:06:07"


def at(moment):
    """`datetime` as chat_template_utils sees it, with a `now` that stands still."""

    class Standing(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromisoformat(moment)

    chat_template_utils.datetime = Standing


def render(source, messages=MESSAGES, **arguments):
    """A rendering, or what is raised: only what templates say themselves (`raise_exception`) is the same everywhere."""
    given = {**ARGUMENTS, "bos_token": "<s>", "eos_token": "</s>", **arguments}
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            [messages], chat_template=source, add_generation_prompt=True, **given
        )
        return {"source": source, "text": texts[0]}
    except Exception as error:
        said = type(error) is jinja2.TemplateError
        return {"source": source, "error": str(error) if said else None}


at(MOMENT)
groups = {}
for name, lines in EXPRESSIONS.items():
    sources = [line.strip() for line in lines.strip().split("\n")]
    groups[name] = [render("{{ " + source + " }}") for source in sources]
for name, sources in TEMPLATES.items():
    groups[name] = [render(source) for source in sources]
dates = []
for date in DATES:
    at(date)
    dates.append({"moment": date, "texts": [render("{{ strftime_now(format) }}", format=format)["text"] for format in FORMATS]})

recorded = {
    "transformers": transformers.__version__,
    "jinja2": jinja2.__version__,
    "moment": MOMENT,
    "messages": MESSAGES,
    # as JSON texts, since readers of JSON may sort
    "arguments": {name: json.dumps(value) for name, value in ARGUMENTS.items()},
    "groups": groups,
    "formats": FORMATS,
    "dates": dates,
}
json.dump(recorded, sys.stdout, ensure_ascii=True, indent=1)
print()
