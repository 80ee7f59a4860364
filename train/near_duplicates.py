"""Groups of near-duplicate texts, so that no text is judged by a model that has seen its copy."""

import hashlib
import re
from collections import Counter, defaultdict

WORDS = re.compile(r"\w+")
SHINGLE_WORDS = 5
SIMILAR = 0.5
# A shingle in more texts than this is a common phrase or a template; it proposes no pairs (that is the approximation).
POSTINGS_MAX = 60


def groups(texts: list[str]) -> list[int]:
    """One group number per text: texts whose 5-word shingles have a Jaccard index of 0.5 or more share it."""
    shingles = [_shingles(text) for text in texts]
    parent = list(range(len(texts)))
    first_with: dict[tuple[bytes, ...], int] = {}
    postings: dict[bytes, list[int]] = defaultdict(list)
    for number, mine in enumerate(shingles):
        same = first_with.setdefault(mine, number)
        if same != number:
            _join(parent, same, number)
            continue
        shared = Counter(other for shingle in mine for other in postings[shingle])
        for other, common in shared.items():
            if common >= SIMILAR * (len(mine) + len(shingles[other]) - common):
                _join(parent, other, number)
        for shingle in mine:
            if len(postings[shingle]) < POSTINGS_MAX:
                postings[shingle].append(number)
    return [_root(parent, number) for number in range(len(texts))]


def _shingles(text: str) -> tuple[bytes, ...]:
    words = WORDS.findall(text.lower())
    last = max(1, len(words) - SHINGLE_WORDS + 1)
    phrases = {" ".join(words[i : i + SHINGLE_WORDS]) for i in range(last)}
    # Not `hash`, which differs from run to run; sorted, because the order decides what the bound leaves out.
    return tuple(sorted(hashlib.blake2b(phrase.encode(), digest_size=8).digest() for phrase in phrases))


def _root(parent: list[int], number: int) -> int:
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number


def _join(parent: list[int], a: int, b: int) -> None:
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)
