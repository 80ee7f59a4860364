"""Shortens what agents say of themselves: texts of more than LONGEST characters keep their beginning, and their length;
of requests to one path with as many messages, tools and fields, and the same outcome, the first stays.

Reads lines of `recorder.py` and writes them. What a request looks like stays; whose prompt it is, does not matter.
"""

import json
import sys

LONGEST = 200
STAYS = 40
FILLER = "and so on "


def shortened(value):
    if isinstance(value, str) and len(value) > LONGEST:
        missing = len(value) - STAYS
        return value[:STAYS] + (FILLER * (missing // len(FILLER) + 1))[:missing]
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    return value


def kind(request):
    body = request.get("body", {})
    sizes = [len(value) for value in body.values() if isinstance(value, list)]
    shape = [[type(item).__name__, sorted(item) if isinstance(item, dict) else ""] for item in body.get("messages", [])]
    return json.dumps([request["path"], request["status"], sorted(body), sizes, shape])


seen = {}
for line in sys.stdin:
    request = json.loads(line)
    # A conversation of a package is short, and stays whole.
    if len(line) < 10_000 or seen.setdefault(kind(request), line) is line:
        print(json.dumps(shortened(request), ensure_ascii=False))
