"""Mutations: what is made of good input. The same seed makes the same inputs."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 10**400, -(10**30), 0.5, 1e308, float("inf"), float("nan")),
    *("", " ", "x", "10", "-1", "nan", "\x00", "\ud800", "=1+1", "../../etc/passwd", "/", "a" * 5000, "🐈" * 40),
    *("http://[x", "data:image/png;base64,!", "<a/>", "\u202e", [], {}, [[]], {"": ""}, [None]),
)
DEEP = "[" * 3000 + "]" * 3000
TOKENS = (
    *(b"\x00", b"\xff\xfe", b"NaN", b"1e999", b"-", b"null", b'"', b"{", b"[" * 500, b"<", b"&a;", b"\n", b"\r", b",", b":"),
    *(b"\xf0\x9f", b"9" * 400, b"- &a [*a]", b"\xef\xbb\xbf", b"../", b"'"),
)


def mutate_bytes(data: bytes, dice: random.Random, others: list[bytes]) -> bytes:
    """A few changes: bits, cuts, repeats, odd tokens, numbers, a part of another input."""
    made = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        at, kind = dice.randrange(len(made) + 1), dice.randrange(7)
        if kind == 0 and made:
            made[at % len(made)] = dice.randrange(256)
        elif kind == 1:
            del made[at : at + dice.choice((1, 2, 8, 64, len(made)))]
        elif kind == 2:
            made[at:at] = made[at : at + dice.randrange(1, 64)]
        elif kind == 3:
            made[at:at] = dice.choice(TOKENS)
        elif kind == 4 and made:
            made[at % len(made)] ^= 1 << dice.randrange(8)
        elif kind == 5:
            made[at : at + 4] = dice.choice((b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x01"))
        else:
            other = dice.choice(others)
            made[at:] = other[dice.randrange(len(other) + 1) :]
    return bytes(made)


def mutate_json(data: bytes, dice: random.Random, others: list[bytes]) -> bytes:
    """A value somewhere becomes an odd one, goes, is doubled or gets an odd neighbour; one in five times bytes change instead."""
    if dice.random() < 0.2:
        return mutate_bytes(data, dice, others)
    value = json.loads(data)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        value = _mutate_value(value, dice)
    text = json.dumps(value)
    if dice.random() < 0.01:
        text = text.replace("null", DEEP, 1)
    return text.encode()


def mutate_lines(data: bytes, dice: random.Random, others: list[bytes]) -> bytes:
    """Of JSON lines: one of them is mutated."""
    lines = data.split(b"\n")
    at = dice.randrange(len(lines))
    lines[at] = mutate_json(lines[at], dice, others) if lines[at].startswith(b"{") else mutate_bytes(lines[at], dice, others)
    return b"\n".join(lines)


def _mutate_value(value: Any, dice: random.Random) -> Any:
    places = list(_places(value))
    if not places:
        return copy.deepcopy(dice.choice(ODD))
    holder, key = dice.choice(places)
    kind = dice.randrange(4)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == 2 and isinstance(holder, dict):
        holder[str(dice.choice(ODD))[:40]] = copy.deepcopy(dice.choice(ODD))
    else:
        holder[key] = copy.deepcopy(dice.choice(ODD))
    return value


def _places(value: Any) -> Any:
    """(holder, key) of every value in it."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
