"""How much a JSON body may hold, counted before it is parsed.

A parser makes an object of some thirty bytes of every two of `[1,1,1,...]`, and a validator an error; both keep
Python's lock all the while. To count commas and brackets costs a hundredth of that, and ends at the limit.
"""

import re

from starlette.exceptions import HTTPException

from seesay.serve.settings import Budget

# The quantifiers keep what they have taken (`*+`), so a text without an end costs one look at it, not one a letter.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[",\[\]{}]', re.DOTALL)


class BodyError(HTTPException):
    """A body that is refused. FastAPI lets its own exceptions alone pass while it reads a body."""


def check_json(body: bytes, budget: Budget) -> None:
    """Refuse what would be expensive to parse.

    Raises:
        BodyError: it has too many values, is nested too deeply, or a text in it has no end.
    """
    num_values = depth = 0
    for match in _TOKEN.finditer(body):
        if match.end() - match.start() > 1:
            continue  # a text
        token = match[0]
        if token == b'"':
            raise BodyError(400, "the request is not JSON: a text in it has no end")
        if token in b",[{":
            num_values += 1
        if token in b"[{":
            depth += 1
        elif token in b"]}":
            depth -= 1
        if num_values > budget.json_values:
            raise BodyError(
                413, f"the request has more than {budget.json_values:,} values; send texts, and fewer of them"
            )
        if depth > budget.json_depth:
            raise BodyError(400, f"the request is nested more than {budget.json_depth} levels deep")
