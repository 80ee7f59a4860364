#!/usr/bin/env python3
"""Verifies a Portcullis audit log, or the proof of one entry, without any code of Portcullis.

    verify.py log LOG VKEY [--since CHECKPOINT] [--closed] [--skip-bodies]
    verify.py shards ROOT VKEY [--skip-bodies]
    verify.py proof PROOF VKEY [--entry FILE]

One file, Python 3.9 or newer, the standard library, and the `openssl` command (3.0 or newer) for
signatures. Written from FORMAT.md, C2SP tlog-tiles, signed-note, tlog-checkpoint and tlog-proof, and
RFC 6962; it shares no line with the program that writes the log. It only reads.

LOG is the folder of a log, which is one shard of many; ROOT is the folder that holds the shards. VKEY is the verifier key, or a file that holds it: take it from somebody else
than the machine that keeps the log. CHECKPOINT is an older copy of the log's `checkpoint` that you
kept: it alone can tell whether the log was rolled back or written anew since.

With `shards`, VKEY is the key of one shard; that one and all after it are verified, each by the key that
the one before announced, and each against what the next one says of it.

Exit: 0 it verifies, 1 it does not, 2 it could not be checked.
"""

import argparse
import base64
import collections
import errno
import hashlib
import ipaddress
import json
import os
import re
import stat
import struct
import subprocess
import sys
import tempfile

WIDTH = 256  # hashes in a full tile
VOLUME = 64 * 1024 * 1024  # a volume that has reached this takes no further body
NOTE_MAX = 64 * 1024
KEYRING_MAX = 1024 * 1024
SEGMENT_MAX = 1 << 30
ENTRY_MAX = 65535


class Bad(Exception):
    """The first thing that does not hold: what, and where."""

    def __init__(self, what, file=None, at=None, entry=None):
        super().__init__(what)
        self.what, self.file, self.at, self.entry = what, file, at, entry

    def __str__(self):
        place = [f"entry {self.entry}"] if self.entry is not None else []
        if self.file is not None:
            place.append(self.file + ("" if self.at is None else f" at byte {self.at}"))
        return ", ".join(place) + (": " if place else "") + self.what


class Trouble(Exception):
    """It could not be checked."""


# --- Files -----------------------------------------------------------------------------------------


class Missing(Bad):
    def __init__(self, file, entry=None):
        super().__init__("is missing", file, None, entry)


class Log:
    """The log's files, read with care: whoever altered them may have left a pipe, a link or a file
    without end in their place."""

    def __init__(self, folder):
        self.folder = folder
        self.volume = (None, None)
        if not os.path.isdir(folder):
            raise Trouble(f"{folder} is not a folder")

    def open(self, file):
        path = os.path.join(self.folder, file)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(file) from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise Bad("is a link", file) from None
            raise Trouble(f"{path}: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise Bad("is not a file", file)
        return os.fdopen(handle, "rb")

    def read(self, file, most):
        with self.open(file) as opened:
            data = opened.read(most + 1)
        if len(data) > most:
            raise Bad("is longer than it can be", file, most)
        return data

    def read_front(self, file, count):
        with self.open(file) as opened:
            return opened.read(count)

    def list(self, folder):
        """The files below a folder, by their paths in the log."""
        found = []
        for place, folders, files in os.walk(os.path.join(self.folder, folder)):
            below = os.path.relpath(place, self.folder)
            found += [os.path.normpath(os.path.join(below, name)) for name in files]
        return sorted(found)

    def digest(self, volume, at, length):
        """The SHA-256 of the sealed bytes at that place, if the volume reaches so far."""
        file = f"content/{volume:08}"
        if self.volume[0] != file:
            self.volume = (file, self.open(file))
        opened, digest = self.volume[1], hashlib.sha256()
        if at + length > os.fstat(opened.fileno()).st_size:
            return None
        opened.seek(at)
        while length > 0:
            piece = opened.read(min(length, 1 << 20))
            if not piece:
                return None
            digest.update(piece)
            length -= len(piece)
        return digest.hexdigest()

    def size_of(self, file):
        with self.open(file) as opened:
            return os.fstat(opened.fileno()).st_size


# --- Hashes and the tree (RFC 6962) ----------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(leaf):
    return sha256(b"\x00" + leaf)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def subtree(hashes):
    """The root over hashes that lie side by side at one height."""
    while len(hashes) > 1:
        above = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        hashes = above + hashes[len(above) * 2:]
    return hashes[0]


class Frontier:
    """The right edge of a growing tree: the roots of its complete subtrees, the largest first."""

    def __init__(self):
        self.size, self.subtrees = 0, []

    def push(self, root, height=0):
        self.size += 1 << height
        while self.subtrees and self.subtrees[-1][0] == height:
            root = node_hash(self.subtrees.pop()[1], root)
            height += 1
        self.subtrees.append((height, root))

    def root(self):
        if not self.subtrees:
            return sha256(b"")
        roots = [root for _, root in self.subtrees]
        whole = roots.pop()
        while roots:
            whole = node_hash(roots.pop(), whole)
        return whole


def check_inclusion(index, leaf, size, root, proof):
    """RFC 9162 section 2.1.3.2."""
    if index >= size:
        raise Bad(f"the tree of {size} entries has no entry {index}")
    at, last, whole = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Bad("the proof is longer than the tree is high")
        if at & 1 or at == last:
            whole = node_hash(sibling, whole)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            whole = node_hash(whole, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Bad("the proof is shorter than the tree is high")
    if whole != root:
        raise Bad(f"the proof does not lead from this entry, at {index}, to the signed root")


# --- Signed notes and checkpoints (C2SP) -----------------------------------------------------------

Checkpoint = collections.namedtuple("Checkpoint", "origin size root")
Key = collections.namedtuple("Key", "origin id public")


def unbase64(text):
    """The bytes, if this is their one spelling."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except (ValueError, UnicodeEncodeError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def decimal(text):
    return int(text) if re.fullmatch(r"0|[1-9][0-9]{0,18}", text) else None


def read_vkey(text):
    if os.path.isfile(text):
        with open(text, encoding="utf-8") as file:
            text = file.read(4096)
    parts = text.strip().split("+", 2)
    key = unbase64(parts[2]) if len(parts) == 3 else None
    if key is None or len(key) != 33 or key[0] != 1 or not re.fullmatch(r"[^\s+]+", parts[0]):
        raise Trouble("the verifier key is not origin+hash+base64 of an Ed25519 key")
    if sha256(parts[0].encode() + b"\n" + key)[:4].hex() != parts[1]:
        raise Trouble("the verifier key is misspelt: its hash is another")
    return Key(parts[0], bytes.fromhex(parts[1]), key[1:])


def open_checkpoint(note, key, file):
    """What the note says, if the key signed it."""

    def bad(what):
        return Bad(what, file)

    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Bad("is not a signed note", file, error.start) from None
    if re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text):
        raise bad("is not a signed note: a control character")
    body, gap, signatures = text.rpartition("\n\n")
    body += "\n"
    lines = body.split("\n")
    if not gap or not signatures.endswith("\n") or len(lines) < 4:
        raise bad("is not a signed note")
    origin, size, root = lines[0], decimal(lines[1]), unbase64(lines[2])
    if size is None or root is None or len(root) != 32 or "" in lines[:-1]:
        raise bad("is not a checkpoint")
    if origin != key.origin:
        raise bad(f"is the checkpoint of another log, {origin}")
    ours = []
    for line in signatures[:-1].split("\n"):
        parts = line.split(" ")
        signature = unbase64(parts[2]) if len(parts) == 3 else None
        if parts[0] != "\u2014" or signature is None or len(signature) < 5 or not parts[1]:
            raise bad("is not a signed note: a line is no signature")
        if parts[1] == key.origin and signature[:4] == key.id:
            ours.append(signature[4:])
    if not ours:
        raise bad("is not signed by this key")
    if len(ours) > 1:
        raise bad("is signed twice by one key")
    if not ed25519(key.public, body.encode(), ours[0]):
        raise bad("the signature does not hold")
    return Checkpoint(origin, size, root)


def ed25519(public, message, signature):
    """Whether the signature holds. Asks openssl, and takes nothing but its clear words."""
    if len(signature) != 64:
        return False
    with tempfile.TemporaryDirectory() as folder:
        parts = {"key": bytes.fromhex("302a300506032b6570032100") + public,
                 "message": message, "signature": signature}
        for name, data in parts.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key",
                   "-rawin", "-in", "message", "-sigfile", "signature"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        except OSError as error:
            raise Trouble(f"openssl cannot be run: {error}") from None
    said = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode == 0 and "Signature Verified Successfully" in said:
        return True
    if "Signature Verification Failure" in said:
        return False
    raise Trouble(f"openssl (3.0 or newer is needed) could not check a signature: {said.strip()}")


# --- Entries: the one form of each (FORMAT.md section 1) -------------------------------------------


class NotThis(Exception):
    pass


def spelled(pattern):
    whole = re.compile(pattern)

    def check(value):
        return isinstance(value, str) and whole.fullmatch(value) is not None
    return check


def word(*words):
    return lambda value: isinstance(value, str) and value in words


def number(bits, least=0, most=None):
    most = (1 << bits) - 1 if most is None else most
    return lambda value: type(value) is int and least <= value <= most


def flag(*values):
    return lambda value: type(value) is bool and value in values


def listed(check, least=0, most=None):
    def every(value):
        return (isinstance(value, list) and len(value) >= least
                and (most is None or len(value) <= most) and all(check(item) for item in value))
    return every


def distinct(check):
    every = listed(check, 1)
    return lambda value: every(value) and len(set(value)) == len(value)


def pair(first, second):
    return lambda value: (isinstance(value, list) and len(value) == 2
                          and first(value[0]) and second(value[1]))


def items(*checks):
    return lambda value: isinstance(value, list) and len(value) == len(checks) and all(
        check(item) for check, item in zip(checks, value))


def fields(spelling, **checks):
    """An object of these keys in this order; `key?` may be absent."""
    keys = [(key.rstrip("?"), key.endswith("?")) for key in spelling.split()]

    def check(value):
        if not isinstance(value, dict):
            return False
        there = iter(value.items())
        key, item = next(there, (None, None))
        for name, optional in keys:
            if key == name:
                if not checks[name](item):
                    return False
                key, item = next(there, (None, None))
            elif not optional:
                return False
        return key is None
    return check


def address(value):
    if not isinstance(value, str) or "%" in value:
        return False
    try:
        parsed = ipaddress.ip_address(value)
    except ValueError:
        return False
    dotted = getattr(parsed, "ipv4_mapped", None)  # IPv4 in IPv6 is written with dots
    return value == (str(parsed) if dotted is None else f"::ffff:{dotted}")


U16, U32, U64, BOOL = number(16), number(32), number(64), flag(True, False)
NAME = spelled(r"[A-Za-z0-9._:/@+\-]{1,128}")
DIGEST, TAG = spelled(r"[0-9a-f]{64}"), spelled(r"[0-9a-f]{16}")
REQ = spelled(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# The names themselves are a fixed list of the program's; here their shape is what is checked.
PATH = spelled(r"(?=.{1,160}$)[a-z_]+(\[(0|[1-9][0-9]{0,5})\])*(\.[a-z_]+(\[(0|[1-9][0-9]{0,5})\])*)*")
PATTERN = spelled(r"(?=.{1,160}$)[a-z_]+(\[\])*(\.[a-z_]+(\[\])*)*")
DIR = word("request", "response")
ACTION = word("allow", "flag", "redact", "block")
REASON = word("full", "failed", "stalled")
OP = word("chat_completions", "completions", "embeddings", "models", "model", "moderations",
          "responses", "messages", "count_tokens", "decisions", "unknown")
STATUS = word("completed", "blocked", "upstream_error", "upstream_timeout", "upstream_incomplete",
              "upstream_auth", "client_gone", "guardrail_unavailable", "audit_unavailable",
              "overloaded", "abandoned", "unknown_crash", "shutdown")
SRC = fields("ip port listener", ip=address, port=U16, listener=NAME)
WHO = fields("principal tenant credential on_behalf_of?", principal=NAME, tenant=NAME,
             credential=word("api_key", "token", "client_certificate", "both"), on_behalf_of=NAME)
POLICY = fields("digest rule file line profile purpose? authority? nearest?", digest=DIGEST, rule=NAME,
                file=NAME, line=U32, profile=NAME, purpose=NAME, authority=NAME, nearest=flag(True))
SCORE = number(16, 0, 10000)
HIT = fields("path label rule? score threshold action would? n", path=PATH, label=NAME, rule=NAME,
             score=SCORE, threshold=SCORE, action=ACTION, would=ACTION, n=U32)
CHECKS = listed(fields(
    "detectors stage strict? fields bytes us verdict action hits? more? scores?",
    detectors=listed(NAME, 1, 16), stage=word("prompt", "answer"), strict=flag(True), fields=listed(pair(PATTERN, U32)),
    bytes=U64, us=U64, verdict=word("pass", "flag", "block"), action=ACTION,
    hits=listed(HIT, 1, 16), more=number(32, 1),
    scores=listed(items(NAME, NAME, SCORE, SCORE), 1, 16)))
TOKENS = fields("input output estimated", input=U64, output=U64, estimated=BOOL)
REFUSAL = dict(req=REQ, op=OP, src=SRC, who=WHO, model=NAME, http=U16, code=NAME, stage=NAME,
               reason=NAME, policy=POLICY, purpose=NAME, label=NAME,
               authority=NAME, checks=CHECKS, dropped=U32)
REFUSAL_KEYS = "req op src who? model? http code stage reason? policy? purpose? label? authority? checks dropped"

BODY = fields("dir epoch commit ct vol at len original?", dir=DIR, epoch=TAG, commit=DIGEST, ct=DIGEST,
              vol=U32, at=U64, len=U64, original=DIGEST)
ENVELOPE = ("type ts boot n cut? body? omitted? ", dict(
    type=lambda value: True, ts=U64, boot=TAG, n=U64, cut=number(32, 1), body=listed(BODY, 1, 8),
    omitted=listed(fields("dir bytes", dir=DIR, bytes=U64), 1)))


def entry_type(spelling, **checks):
    keys, envelope = ENVELOPE
    return fields(keys + spelling, **{**checks, **envelope})


QUOTE = dict(origin=NAME, size=U64, root=DIGEST)
TYPES = {
    "req.intent": entry_type(
        "req op stream src who model backend policy label checks dropped", req=REQ, op=OP,
        stream=BOOL, src=SRC, who=WHO, model=NAME, backend=NAME, policy=POLICY, label=NAME,
        checks=CHECKS, dropped=U32),
    "req.outcome": entry_type(
        "req intent status http code? finish tokens? checks ms_total ms_first_byte? released_bytes"
        " stripped? spoke_after_end? vendor?", req=REQ, intent=U64, status=STATUS, http=U16, code=NAME,
        finish=listed(NAME, 0, 16), tokens=TOKENS, checks=CHECKS, ms_total=U32, ms_first_byte=U32,
        released_bytes=U64, stripped=number(32, 1), spoke_after_end=flag(True),
        vendor=fields("epoch hmac", epoch=TAG, hmac=DIGEST)),
    "req.deny": entry_type(REFUSAL_KEYS, **REFUSAL),
    "req.undecided": entry_type(REFUSAL_KEYS, **REFUSAL),
    "req.served": entry_type(
        "req op src who policy http shown judged?", req=REQ, op=OP, src=SRC, who=WHO, policy=DIGEST, http=U16,
        shown=U32, judged=fields(
            "model policy label checks dropped", model=NAME, policy=POLICY, label=NAME, checks=CHECKS, dropped=U32)),
    "req.late": entry_type("req outcome", req=REQ, outcome=U64),
    "start": entry_type("version config", version=NAME, config=DIGEST),
    "policy.load": entry_type("bundle digest rules", bundle=NAME, digest=DIGEST, rules=U32),
    "policy.rejected": entry_type("kept problems", kept=DIGEST, problems=U32),
    "guard.load": entry_type("detector version digest", detector=NAME, version=U32, digest=DIGEST),
    "library.load": entry_type("library digest", library=NAME, digest=DIGEST),
    "conn.summary": entry_type(
        "listener reason prefix bits count seconds", listener=NAME, reason=NAME, prefix=address,
        bits=number(8), count=U64, seconds=U32),
    "review": entry_type(
        "by act entry verdict?", by=NAME, act=word("opened", "labelled", "signed"), entry=U64, verdict=NAME),
    "hold": entry_type(
        "by with? act hold from to", by=NAME, act=word("placed", "released"), hold=NAME,
        **{"with": NAME, "from": U64, "to": U64}),
    "export": entry_type(
        "by from to entries bodies digest", by=NAME, entries=U64, bodies=U64, digest=DIGEST,
        **{"from": U64, "to": U64}),
    "boot": entry_type(
        "origin format found clean torn_bytes open previous?", origin=NAME, format=U32, found=U64, clean=BOOL,
        torn_bytes=U64, open=U32, previous=fields("origin size root", **QUOTE)),
    "shard.next": entry_type("origin key", origin=NAME, key=DIGEST),
    "shard.closed": entry_type("origin size root", **QUOTE),
    "key.epoch": entry_type("epoch keyring recipients", epoch=TAG, keyring=DIGEST, recipients=distinct(DIGEST)),
    "key.rewrap": entry_type("epoch keyring recipients", epoch=TAG, keyring=DIGEST, recipients=distinct(DIGEST)),
    "audit.degraded": entry_type("reason", reason=REASON),
    "audit.restored": entry_type("reason since refused owed", reason=REASON, since=U64, refused=U64,
                                 owed=U32),
    "shutdown": entry_type(""),
    "heartbeat": entry_type(""),
}


def no_twice(pairs):
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise NotThis("has a key twice")
    return entry


def refuse(value):
    raise NotThis(f"holds a number that no entry does, {value[:20]}")


DECODER = json.JSONDecoder(object_pairs_hook=no_twice, parse_float=refuse, parse_constant=refuse)
ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True)


def parse(leaf):
    """The entry, if these bytes are the one form of one."""
    try:
        spelling = leaf.decode("ascii")
        entry, end = DECODER.raw_decode(spelling)
    except UnicodeDecodeError:
        raise NotThis("is not ASCII") from None
    except (ValueError, RecursionError):
        raise NotThis("is not JSON") from None
    if end != len(spelling) or not isinstance(entry, dict):
        raise NotThis("is not one JSON object")
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise NotThis("is of an unknown type; was it written by a newer version?")
    if not TYPES[kind](entry):
        raise NotThis("does not have the fields of its type")
    if ENCODER.encode(entry) != spelling:
        raise NotThis("is not in the one form that this log writes")
    return entry


# --- The story: whether the entries together can be true -------------------------------------------


class Story:
    """What the entries so far say."""

    def __init__(self, log, origin, skip_bodies, entry):
        self.log, self.origin, self.skip_bodies = log, origin, skip_bodies
        self.entry = entry  # reads an earlier one again
        self.life, self.next, self.shut = None, 0, True
        self.lives, self.epochs, self.late = set(), set(), set()
        self.keyrings, self.missing = set(), {}
        self.open = {}
        self.spot = (0, 0)  # where the next body must lie
        self.ends = {}  # of each volume
        self.counts, self.statuses = collections.Counter(), collections.Counter()
        self.crashes = self.bodies = self.omitted = self.back = 0
        self.last = None
        self.previous, self.successor, self.ended = None, None, []  # what is said of other shards

    def tell(self, index, leaf, file, at, sealed=None):
        """Takes in the next entry. `sealed` are its bodies, where they came with it."""

        def bad(what):
            return Bad(what, file, at, index)

        try:
            entry = parse(leaf)
        except NotThis as error:
            raise bad(f"this {error}") from None
        kind = entry["type"]
        if kind == "boot":
            self.boot(index, entry, bad)
        elif self.life is None:
            raise bad("the log does not begin with an opening")
        elif self.shut:
            raise bad("an entry was written after the log was shut down")
        if (entry["boot"], entry["n"]) != (self.life, self.next):
            raise bad("the entries of one life of the log are not numbered without a gap")
        self.next += 1
        if kind == "req.intent":
            self.open[index] = entry["req"]
        elif kind == "req.outcome":
            opened = self.open.pop(entry["intent"], None)
            if opened is None:
                raise bad("an outcome without an open intent")
            if opened != entry["req"]:
                raise bad("an outcome closes the intent of another request")
            self.statuses[entry["status"]] += 1
        elif kind == "req.late":
            outcome = self.entry(entry["outcome"]) if entry["outcome"] < index else {"type": None}
            late = ("req.outcome", "req.deny", "req.undecided", "req.served")
            if outcome["type"] not in late or outcome["req"] != entry["req"]:
                raise bad("calls something late that is no earlier end of this request")
            if entry["outcome"] in self.late:
                raise bad("calls an end late that was called late before")
            self.late.add(entry["outcome"])
        elif kind in ("key.epoch", "key.rewrap"):
            self.keyring(index, entry, bad)
        elif kind == "shard.next":
            known = self.successor
            if known and known["origin"] == entry["origin"] and known["key"] != entry["key"]:
                raise bad("the next shard is announced under two keys")
            self.successor = entry
        elif kind == "shard.closed":
            self.ended.append(entry)
        elif kind == "shutdown":
            if self.open:
                raise bad("the log was shut down with intents open")
            self.shut = True
        self.take_bodies(index, entry.get("body", []), sealed, bad)
        self.omitted += len(entry.get("omitted", []))
        self.counts[kind] += 1
        if self.last is not None and entry["ts"] < self.last:
            self.back += 1
        self.last = entry["ts"]

    def boot(self, index, entry, bad):
        if entry["origin"] != self.origin:
            raise bad(f"the log was opened under another name, {entry['origin']}")
        if entry["format"] != 1:
            raise bad("the log is of another version than this verifier")
        if entry["found"] != index or entry["open"] != len(self.open):
            raise bad("an opening disagrees with where the log stood")
        if entry["clean"] and not self.shut:
            raise bad("an opening calls an end clean that was none")
        if index == 0:
            self.previous = entry.get("previous")
        elif "previous" in entry:
            raise bad("an opening says anew what the log goes on from")
        if entry["boot"] in self.lives:
            raise bad("two lives of the log have one name")
        self.lives.add(entry["boot"])
        self.crashes += not entry["clean"]
        self.life, self.next, self.shut = entry["boot"], 0, False

    def keyring(self, index, entry, bad):
        """A key file is as it was announced. One that was sealed again may be gone: the newest is needed."""
        epoch, file = entry["epoch"], f"keyring/{entry['epoch']}"
        if entry["type"] == "key.rewrap":
            file += "." + entry["keyring"][:16]
        elif epoch in self.epochs:
            raise bad("a key is announced twice")
        else:
            self.epochs.add(epoch)
        self.keyrings.add(file)
        self.missing.pop(epoch, None)
        try:
            data = self.log.read(file, KEYRING_MAX)
        except Missing as error:
            error.entry = index
            self.missing[epoch] = error
            return
        except Bad as error:
            error.entry = index
            raise
        if sha256(data).hex() != entry["keyring"]:
            raise Bad("is not the key file that the log announced", file, None, index)

    def keys_are_there(self):
        for error in sorted(self.missing.values(), key=lambda error: error.entry):
            raise error

    def take_bodies(self, index, bodies, sealed, bad):
        if sealed is not None and len(sealed) != len(bodies):
            raise bad("has other bodies than its references")
        for n, body in enumerate(bodies):
            if body["epoch"] not in self.epochs:
                raise bad("a body is sealed under a key that was not announced before")
            if self.spot[1] >= VOLUME:
                self.spot = (self.spot[0] + 1, 0)
            volume, at = self.spot
            if (body["vol"], body["at"]) != self.spot:
                raise bad("a body does not follow the one before it")
            self.spot = (volume, at + body["len"])
            self.ends[volume] = at + body["len"]
            self.bodies += 1
            if sealed is not None:
                place, data = sealed[n]
                found = sha256(data).hex() if len(data) == body["len"] else None
            elif self.skip_bodies:
                continue
            else:
                place = (f"content/{volume:08}", at)
                try:
                    found = self.log.digest(volume, at, body["len"])
                except Bad as error:
                    error.entry = index
                    raise
            if found != body["ct"]:
                raise Bad("is not the sealed body that the entry refers to", *place, index)

    def at(self):
        return dict(self.open), self.spot


# --- Tiles (C2SP tlog-tiles) -----------------------------------------------------------------------


def tile_path(kind, n, width):
    groups = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        groups.insert(0, f"x{n % 1000:03}")
    return f"tile/{kind}/" + "/".join(groups) + ("" if width == WIDTH else f".p/{width}")


TILE = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Tiles:
    """The hashes of the tree, authenticated from the signed root downwards: a tile counts once the
    tile above it says its root. So the first thing that fails is the thing that was altered."""

    def __init__(self, log, checkpoint):
        self.log, self.size = log, checkpoint.size
        counts = [checkpoint.size]
        while counts[-1] >= WIDTH:
            counts.append(counts[-1] // WIDTH)
        self.counts = counts
        self.root(checkpoint.root)
        self.above = {}  # of the level above the one being read: all of its hashes
        for level in range(len(counts) - 1, 0, -1):
            self.above = self.level(level)

    def width(self, level, n):
        return min(WIDTH, self.counts[level] - WIDTH * n)

    def bytes(self, kind, n, width, most, cut):
        """A tile's file and bytes; where the exact partial one was replaced by the full, its front."""
        file = tile_path(kind, n, width)
        try:
            return file, self.log.read(file, most)
        except Missing:
            if width == WIDTH:
                raise
        full = tile_path(kind, n, WIDTH)
        try:
            return full, cut(self.log.read(full, most))
        except Missing:
            raise Missing(file) from None

    def hashes(self, level, n):
        width = self.width(level, n)
        file, data = self.bytes(level, n, width, 32 * WIDTH, lambda all_: all_[:32 * width])
        if len(data) != 32 * width:
            raise Bad("has another length than it must", file, min(len(data), 32 * width),
                      (n * WIDTH + len(data) // 32) << 8 * level)
        return file, [data[at:at + 32] for at in range(0, len(data), 32)]

    def entries(self, n):
        """A bundle's file and its entries, each with its offset."""
        width = self.width(0, n)
        most = WIDTH * (2 + ENTRY_MAX)

        def walk(data):
            found, at = [], 0
            while len(found) < width:
                length = int.from_bytes(data[at:at + 2], "big")
                if at + 2 + length > len(data) or len(data) < at + 2:
                    break
                found.append((at, data[at + 2:at + 2 + length]))
                at += 2 + length
            return found, at
        file, data = self.bytes("entries", n, width, most, lambda all_: all_[:walk(all_)[1]])
        found, end = walk(data)
        if len(found) != width or end != len(data):
            raise Bad("has another length than it must", file, end, WIDTH * n + len(found))
        return file, found

    def edge(self, level):
        n = self.counts[level] // WIDTH
        return self.hashes(level, n) if self.counts[level] % WIDTH else (None, [])

    def root(self, signed):
        edges = [self.edge(level) for level in range(len(self.counts))]

        def leads(at=None, hashes=None):
            tree = Frontier()
            for level in range(len(edges) - 1, -1, -1):
                for one in (hashes if level == at else edges[level][1]):
                    tree.push(one, 8 * level)
            return tree.root() == signed
        if leads():
            return
        # Which of them was altered? The one that, made anew from what is below it, mends it.
        for level, (file, stored) in enumerate(edges):
            if not stored:
                continue
            first = self.counts[level] // WIDTH * WIDTH
            try:
                if level == 0:
                    anew = [leaf_hash(leaf) for _, leaf in self.entries(first // WIDTH)[1]]
                else:
                    anew = [subtree(self.hashes(level - 1, first + i)[1]) for i in range(len(stored))]
            except Bad:
                continue
            if leads(level, anew):
                at = next(i for i in range(len(stored)) if stored[i] != anew[i])
                raise Bad("is not the hash of what is below it", file, 32 * at,
                          (first + at) << 8 * level)
        raise Bad("signs another tree than the tiles make", "checkpoint")

    def level(self, level):
        """All hashes of a level: those of full tiles checked against the level above."""
        found = []
        for n in range((self.counts[level] + WIDTH - 1) // WIDTH):
            found += self.checked(level, n)[1]
        return found

    def checked(self, level, n):
        file, hashes = self.hashes(level, n)
        if len(hashes) == WIDTH and subtree(hashes) != self.above[n]:
            at = self.differs(level, n, hashes)
            raise Bad("is not what the tile above it says", file, None if at is None else 32 * at,
                      (n * WIDTH + (at or 0)) << 8 * level)
        return file, hashes

    def differs(self, level, n, hashes):
        """Where a tile that is wrong differs from the right one, if what is below tells."""
        try:
            if level == 0:
                anew = [leaf_hash(leaf) for _, leaf in self.entries(n)[1]]
            else:
                below = range(n * WIDTH, (n + 1) * WIDTH)
                anew = [subtree(self.hashes(level - 1, one)[1]) for one in below]
        except Bad:
            return None
        if subtree(anew) != self.above[n]:
            return None
        return next(at for at in range(WIDTH) if anew[at] != hashes[at])

    def bundles(self):
        """Every published entry: index, leaf, hash, file, offset. Each is what its tile says."""
        for n in range((self.size + WIDTH - 1) // WIDTH):
            _, hashes = self.checked(0, n)
            file, found = self.entries(n)
            leaves = [leaf_hash(leaf) for _, leaf in found]
            for i, (at, _) in enumerate(found):
                if leaves[i] != hashes[i]:
                    raise Bad("is not the entry that the tree holds", file, at, WIDTH * n + i)
            yield n, hashes, file, found


# --- The write-ahead log (FORMAT.md section 4) -----------------------------------------------------


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC = crc_table()


def crc32c(*parts):
    crc, table = 0xFFFFFFFF, CRC
    for part in parts:
        for byte in part:
            crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


MAGIC = b"PCWAL1\n\0"


def aligned(n):
    return (n + 7) & ~7


class Segment:
    """A file of the write-ahead log whose header is whole."""

    def __init__(self, file, data):
        self.file, self.data = file, data
        (self.number, self.nonce, self.mark, self.base, self.root, vol, at, flags,
         count) = struct.unpack_from("<QQ8sQ32sIQII", data, 8)
        self.clean, self.spot = flags == 1, (vol, at)
        opened = struct.iter_unpack("<Q16s", data[92:92 + 24 * count])
        self.open = {index: uuid(req) for index, req in opened}
        self.start = aligned(92 + 24 * count + 4)

    @staticmethod
    def read(file, data):
        """The segment, or nothing when this is a spare, or a header that is not whole."""
        if len(data) < 96 or data[:8] != MAGIC:
            return None
        flags, count = struct.unpack_from("<II", data, 84)
        end = 92 + 24 * count
        if flags > 1 or len(data) < aligned(end + 4):
            return None
        sound = struct.unpack_from("<I", data, end)[0] == crc32c(data[:end])
        if not sound or any(data[end + 4:aligned(end + 4)]):
            return None
        return Segment(file, data)

    def frame(self, at):
        """The frame there: kind, index, payload, and where the next one begins."""
        data = self.data
        if at + 24 > len(data):
            return None
        length, crc = struct.unpack_from("<II", data, at)
        end = at + 24 + length
        if end > len(data) or not 1 <= data[at + 8] <= 3 or any(data[at + 9:at + 16]):
            return None
        seed = struct.pack("<QQI", self.nonce, at, length)
        if crc != crc32c(seed, data[at + 8:end]) or any(data[end:aligned(end)]):
            return None
        if aligned(end) > len(data) or (data[at + 8] == 3 and length != 48):
            return None
        return data[at + 8], struct.unpack_from("<Q", data, at + 16)[0], data[at + 24:end], aligned(end)

    def frames(self):
        at = self.start
        while True:
            frame = self.frame(at)
            if frame is None:
                return
            yield at, frame
            at = frame[3]

    def counts(self):
        """Whether it holds a whole commit. One behind a frame that does not hold makes it damaged, not void."""
        at = self.start
        for _, frame in self.frames():
            if frame[0] == 3:
                return True
            at = frame[3]
        return self.clean or self.later_commit(at)

    def later_commit(self, bad):
        """Whether a batch was begun after the frame that does not hold: that one had been flushed."""
        for at in range(bad + 8, len(self.data) - 71, 8):
            if self.data[at + 8] == 3:
                frame = self.frame(at)
                if frame and batch_begins(frame[2]) > bad:
                    return True
        return False


def batch_begins(commit):
    """Where the batch that a commit closes begins in its segment."""
    return struct.unpack_from("<Q", commit, 32)[0]


def uuid(raw):
    digits = raw.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


TailEntry = collections.namedtuple("TailEntry", "index leaf file at bodies")


class Tail:
    """What is committed beyond the checkpoint, and maybe a little before it."""

    def __init__(self, log, origin, published):
        mark = sha256(origin.encode())[:8]
        found, void = [], 0
        for file in log.list("wal"):
            try:
                if log.read_front(file, 8) != MAGIC:
                    continue  # a spare
                data = log.read(file, SEGMENT_MAX)
            except Missing:
                continue  # removed under our eyes: then the checkpoint has moved
            segment = Segment.read(file, data)
            if segment and segment.mark == mark and segment.counts():
                found.append(segment)
            elif segment and segment.mark == mark:
                void += sum(frame[3] - at for at, frame in segment.frames())
        found.sort(key=lambda segment: segment.number)
        reach = [i for i, segment in enumerate(found) if segment.base <= published]
        if not reach and (found or published):
            raise Bad(f"no part of it goes on from the checkpoint, at {published}: it was rolled back"
                      if found else "nothing of it is there: it was removed or rolled back", "wal")
        self.segments = found[reach[-1]:] if reach else []
        self.published, self.size, self.torn = published, 0, void
        self.entries, self.commits = [], []  # commits: size, root, file, at
        for i, segment in enumerate(self.segments):
            self.walk(segment, self.segments[i + 1].base if i + 1 < len(self.segments) else None)
        if self.size < published:
            raise Bad(f"it ends at {self.size}, before the checkpoint: it was rolled back", "wal")

    def walk(self, segment, until):
        if self.segments[0] is segment:
            self.size = segment.base
        if segment.base != self.size:
            raise Bad(f"begins at {segment.base}, and the log left off at {self.size}", segment.file, 0)
        if segment.clean and any(segment.data[segment.start:]):
            raise Bad("something follows an end that is called clean", segment.file, segment.start)
        committed, at, entries = segment.start, segment.start, []

        def damage(place):
            return Bad("a frame that had been committed does not hold", segment.file, place,
                       self.size + len(entries))
        while until is None or self.size < until:
            frame = segment.frame(at)
            if frame is None:
                break
            kind, index, payload, after = frame
            expected = self.size + len(entries)
            if kind == 1 and index == expected:
                entries.append(TailEntry(index, payload, segment.file, at, []))
            elif kind == 2 and entries and index == expected - 1:
                entries[-1].bodies.append(((segment.file, at), payload))
            elif kind == 3 and entries and (index, batch_begins(payload)) == (expected, committed):
                if until is not None and index > until:
                    break  # never acknowledged
                self.commits.append((index, payload[:32], segment.file, at))
                self.entries += entries
                self.size, committed, entries = index, after, []
            else:
                raise damage(at)
            at = after
        if until is not None and self.size != until:
            raise damage(at)
        if until is None:
            if segment.later_commit(at):
                raise damage(at)
            self.torn += at - committed


# --- The whole log ---------------------------------------------------------------------------------


class Verifier:
    def __init__(self, log, key, options, quoted=()):
        self.log, self.key, self.options, self.quoted = log, key, options, quoted
        self.kept = []
        for file in options.since or []:
            try:
                with open(file, "rb") as opened:
                    note = opened.read(NOTE_MAX)
            except OSError as error:
                raise Trouble(f"{file}: {error.strerror}") from None
            try:
                self.kept.append((file, open_checkpoint(note, key, file)))
            except Bad as bad:
                raise Trouble(f"the kept checkpoint cannot be used: {bad}") from None

    def checkpoint(self):
        try:
            return open_checkpoint(self.log.read("checkpoint", NOTE_MAX), self.key, "checkpoint")
        except Missing:
            raise Bad("is missing: nothing here is signed", "checkpoint") from None

    def run(self):
        """Reads until it holds. A log that is being written may move on while it is read."""
        self.published = self.checkpoint()
        for _ in range(100):
            try:
                return self.read()
            except Bad as bad:
                moved = self.checkpoint()
                if moved.size <= self.published.size:
                    raise bad from None
                self.published = moved
        raise Trouble("the log is written faster than it can be read")

    def read(self):
        published = self.published
        # Before the write-ahead log is read: what a volume holds later may be of entries not seen here.
        sizes = {file: self.log.size_of(file) for file in self.log.list("content")}
        tiles = Tiles(self.log, published)
        tail = Tail(self.log, published.origin, published.size)
        new = [entry for entry in tail.entries if entry.index >= published.size]

        def entry(index):
            if index >= published.size:
                return parse(new[index - published.size].leaf)
            return parse(tiles.entries(index // WIDTH)[1][index % WIDTH][1])
        self.tail = tail
        self.story = Story(self.log, published.origin, self.options.skip_bodies, entry)
        self.roots, self.states, self.tree = {}, {}, Frontier()
        bases = {segment.base for segment in tail.segments}
        commits = {size for size, *_ in tail.commits}
        self.wanted = bases | commits | {kept.size for _, kept in self.kept} | {published.size}
        self.wanted |= set(self.quoted)
        within = {size // WIDTH for size in self.wanted if size % WIDTH}
        overlap = {entry.index: entry for entry in tail.entries if entry.index < published.size}
        self.mark(0, bases)
        for n, hashes, file, found in tiles.bundles():
            begin = WIDTH * n
            exact = len(found) < WIDTH or n in within
            for i, (at, leaf) in enumerate(found):
                self.story.tell(begin + i, leaf, file, at)
                if begin + i in overlap:
                    self.same(overlap[begin + i], hashes[i], leaf)
                if exact:
                    self.tree.push(hashes[i])
                if exact or i == WIDTH - 1:
                    if not exact:
                        self.tree.push(subtree(hashes), 8)
                    self.mark(begin + i + 1, bases)
        for one in new:
            self.story.tell(one.index, one.leaf, one.file, one.at, one.bodies)
            self.tree.push(leaf_hash(one.leaf))
            self.mark(one.index + 1, bases)
        self.compare(tail)
        self.history()
        self.leftovers(sizes)
        return self

    def mark(self, size, bases):
        """Remembers how the log stood at a size that something names."""
        if size in self.wanted:
            self.roots[size] = self.tree.root()
        if size in bases:
            self.states[size] = self.story.at()
        if size == self.published.size:
            self.signed_spot, self.signed_shut = self.story.spot, self.story.shut
            # What nobody signed says nothing of other shards.
            self.kin = self.story.previous, self.story.successor, list(self.story.ended)

    @staticmethod
    def same(entry, published, leaf):
        if leaf_hash(entry.leaf) != published:
            raise Bad("is not the entry that was published", entry.file, entry.at, entry.index)
        bodies = parse(leaf).get("body", [])
        kept = [(len(data), sha256(data).hex()) for _, data in entry.bodies]
        if kept != [(body["len"], body["ct"]) for body in bodies]:
            raise Bad("is not followed by its bodies", entry.file, entry.at, entry.index)

    def compare(self, tail):
        for size, root, file, at in tail.commits:
            if self.roots[size] != root:
                raise Bad("commits to another tree than its entries make", file, at, size - 1)
        for segment in tail.segments:
            if self.roots[segment.base] != segment.root:
                raise Bad("begins with another tree than the entries make", segment.file, 0)
            if self.states[segment.base] != (segment.open, segment.spot):
                raise Bad("begins with other open intents or another place for bodies than there were",
                          segment.file, 0)
            if segment.clean and not self.signed_shut:
                raise Bad("calls an end clean that was none: entries were removed", segment.file, 0)
        self.in_order = bool(tail.segments) and tail.segments[-1].clean
        if self.options.closed and not self.in_order:
            raise Bad("the log was not closed in order, or is being written", "wal")

    def history(self):
        for file, kept in self.kept:
            if kept.size > self.tree.size:
                raise Bad(f"the log was rolled back: {file} saw {kept.size} entries, and there are"
                          f" {self.tree.size}", "checkpoint")
            if self.roots[kept.size] != kept.root:
                raise Bad(f"the log is another history than {file} saw: its first {kept.size} entries"
                          " are not those of then (it was rewritten or forked)", "checkpoint")

    def leftovers(self, sizes):
        """A volume holds bodies and nothing else, but what a crash left of a copy beyond the checkpoint."""
        ends, self.strays = self.story.ends, []
        for file, size in sizes.items():
            name = file[len("content/"):]
            volume = int(name) if re.fullmatch(r"[0-9]{8}", name) else None
            if volume not in ends:
                self.strays.append(file)
            elif size > ends[volume]:
                raise Bad("holds more than the bodies of the entries", file, ends[volume])
        self.story.keys_are_there()
        self.strays += [file for file in self.log.list("keyring") if file not in self.story.keyrings]
        self.strays += self.stray_tiles()
        known = {"checkpoint", "checkpoint.new", "lock"}
        self.strays += [file for file in self.log.list(".") if file not in known
                        and file.split("/")[0] not in ("tile", "content", "keyring", "wal")]

    def stray_tiles(self):
        """Tiles that the checkpoint does not reach, or that say something else than the full ones."""
        strays, size = [], self.published.size
        for file in self.log.list("tile"):
            found = TILE.fullmatch(file)
            if found is None:
                strays.append(file)
                continue
            level = 0 if found[1] == "entries" else int(found[1])
            n = int(found[2].replace("x", "").replace("/", ""))
            width = int(found[3] or WIDTH)
            needed = min(WIDTH, max(0, (size >> 8 * level) - WIDTH * n))
            if width > needed:
                strays.append(file)
            elif width < needed:
                data = self.log.read(file, WIDTH * (2 + ENTRY_MAX))
                for whole_width in (needed, WIDTH):
                    try:
                        whole = self.log.read(tile_path(found[1], n, whole_width), WIDTH * (2 + ENTRY_MAX))
                        break
                    except Missing:
                        whole = b""
                if not whole.startswith(data) or (found[1] != "entries" and len(data) != 32 * width):
                    strays.append(file)
        return strays

    def report(self):
        published, story, tail = self.published, self.story, self.tail
        counts, total = story.counts, self.tree.size
        yield "proved, from the files alone:"
        yield f"  {published.origin} signed {published.size} entries, with the root {published.root.hex()}"
        yield "  every tile of every level and every entry is what leads to that root"
        yield f"  {total - published.size} more are committed in the write-ahead log; nobody signed them"
        yield "  the entries tell one story: lives, numbers, intents, outcomes, keys, bodies"
        yield (f"  {counts['req.intent']} intents have {counts['req.outcome']} outcomes, each its own;"
               f" {len(story.open)} have none (yet)")
        for status, count in sorted(story.statuses.items()):
            yield f"    {status}: {count}"
        yield f"  {counts['req.deny']} requests were denied, {counts['req.undecided']} could not be decided"
        if self.options.skip_bodies:
            yield f"  {story.bodies} sealed bodies have their places; they were not read"
        else:
            yield f"  {story.bodies} sealed bodies are those that the entries refer to"
        yield f"  {len(story.epochs)} epochs have their newest key file as the log announced it"
        yield (f"  the log was opened {counts['boot']} times, {story.crashes} of them after a crash; "
               + ("it is closed in order" if self.in_order else "it is open, or ended in a crash"))
        for file, kept in self.kept:
            yield f"  it goes on from {file}: the first {kept.size} entries are those of then"
        yield "not proved:"
        if self.kept:
            yield "  what was written and removed again after the kept checkpoint"
        else:
            yield ("  that nothing was cut off, and that this history is the only one: whoever holds the key and"
                   " the disk can write another. Keep checkpoints, and give them with --since")
        if not self.in_order:
            yield ("  the entries that nobody signed: whoever can write to the disk can remove, change or"
                   " invent them until a checkpoint is signed")
        yield "  what the sealed bodies say: their recipient can open them and compare the commitments"
        yield f"  the times: they are the machine's; {story.back} of them go back"
        yield "  that the gateway did as it wrote"
        if story.omitted or story.late:
            yield (f"to know: {len(story.late)} outcomes came too late for whoever waited;"
                   f" {story.omitted} bodies were not kept for want of space")
        if tail.torn:
            yield f"to know: {tail.torn} bytes after the last commit were never acknowledged"
        for file, kept in self.kept:
            if kept.size <= published.size:
                continue
            yield (f"to know: the log's checkpoint is older than {file}; its entries are in the write-ahead"
                   " log, unsigned")
        for stray in self.strays[:10]:
            yield f"to know: nothing accounts for {stray}"
        if len(self.strays) > 10:
            yield f"to know: nor for {len(self.strays) - 10} more files"


# --- Shards: one log after the other ---------------------------------------------------------------


def first_entry(folder, key):
    """What the next shard says first, before it is verified: only to know which root to compute."""
    try:
        log = Log(folder)
        checkpoint = open_checkpoint(log.read("checkpoint", NOTE_MAX), key, "checkpoint")
        return parse(Tiles(log, checkpoint).entries(0)[1][0][1])
    except (Bad, NotThis, IndexError):
        return {}  # verified later, and refused then


def check_shards(options):
    key, root = read_vkey(options.vkey), options.root
    try:
        names = sorted(name for name in os.listdir(root) if re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", name))
    except OSError as error:
        raise Trouble(f"{root}: {error.strerror}") from None
    first = next((n for n, name in enumerate(names) if key.origin.endswith("/" + name)), None)
    if first is None:
        raise Trouble(f"{root}: no shard is {key.origin}")
    if first:
        say(f"to know: {first} shards before {names[first]} are not looked at: give the key of the oldest")
    before, earlier = None, []
    for n, name in enumerate(names[first:], first):
        if key is None:
            raise Bad("the shard before it announced none", name)
        folder, after = os.path.join(root, name), None
        following = os.path.join(root, names[n + 1]) if n + 1 < len(names) else None
        # The key of the next one is known only after this one is read; its first entry says which root matters.
        announced = announced_key(folder, key) if following else None
        if following and announced:
            after = first_entry(following, announced).get("previous")
        quoted = [after["size"]] if after else []
        try:
            shard = Verifier(Log(folder), key, options, quoted).run()
            if before:
                follow(before, earlier, shard)
        except Bad as bad:
            bad.file = os.path.join(name, bad.file) if bad.file else name
            raise
        say(f"{key.origin}")
        for line in shard.report():
            say("  " + line)
        before, key = shard, next_key(shard.kin[1])
        earlier.append(shard)


def next_key(announced):
    if announced is None:
        return None
    origin, public = announced["origin"], bytes.fromhex(announced["key"])
    ident = sha256(origin.encode() + b"\n\x01" + public)[:4]
    return read_vkey(f"{origin}+{ident.hex()}+{base64.b64encode(bytes([1]) + public).decode()}")


def announced_key(folder, key):
    """The key that this shard announces, before it is verified; looked for from its end."""
    try:
        log = Log(folder)
        checkpoint = open_checkpoint(log.read("checkpoint", NOTE_MAX), key, "checkpoint")
        tiles = Tiles(log, checkpoint)
        for n in reversed(range((checkpoint.size + WIDTH - 1) // WIDTH)):
            for _, leaf in reversed(tiles.entries(n)[1]):
                if b'"type":"shard.next"' in leaf:
                    return next_key(parse(leaf))
    except (Bad, NotThis):
        pass  # verified later, and refused then
    return None


def follow(before, earlier, shard):
    """Holds a shard against the one before it."""
    said, _, ended = shard.kin
    origin = before.published.origin
    if said is None or said["origin"] != origin:
        raise Bad(f"does not say that it goes on from {origin}")
    root = before.roots.get(said["size"])
    if root is None or root.hex() != said["root"]:
        raise Bad(f"goes on from another history of {origin}")
    for whole in ended:
        for older in earlier:
            if whole["origin"] != older.published.origin:
                continue
            if (whole["size"], whole["root"]) != (older.tree.size, older.tree.root().hex()):
                raise Bad(f"knew {whole['origin']} as another, or a longer, one")


# --- The proof of one entry (C2SP tlog-proof) ------------------------------------------------------


def read_proof(data):
    """The parts of a tlog-proof: extra data or nothing, index, hashes, the checkpoint's note."""
    head, gap, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        lines = []
    if not gap or lines[:1] != ["c2sp.org/tlog-proof@v1"]:
        raise Bad("is not a tlog-proof of version 1")
    lines, extra = lines[1:], None
    if lines and lines[0].startswith("extra "):
        extra = unbase64(lines.pop(0)[len("extra "):])
        if extra is None:
            raise Bad("the extra data is not base64")
    index = decimal(lines[0][len("index "):]) if lines and lines[0].startswith("index ") else None
    if index is None:
        raise Bad("there is no index")
    hashes = [unbase64(line) for line in lines[1:]]
    if len(hashes) > 63 or any(one is None or len(one) != 32 for one in hashes):
        raise Bad("a line of the proof is no hash")
    return extra, index, hashes, note


def check_proof(options):
    key = read_vkey(options.vkey)
    try:
        with open(options.proof, "rb") as file:
            data = file.read(1024 * 1024)
        leaf = None
        if options.entry == "-":
            leaf = sys.stdin.buffer.read(ENTRY_MAX + 1)
        elif options.entry:
            with open(options.entry, "rb") as file:
                leaf = file.read(ENTRY_MAX + 1)
    except OSError as error:
        raise Trouble(f"{error.filename}: {error.strerror}") from None
    try:
        extra, index, hashes, note = read_proof(data)
        checkpoint = open_checkpoint(note, key, None)
        leaf = extra if leaf is None else leaf
        if leaf is None:
            raise Trouble("the proof does not bring its entry along: give it with --entry")
        check_inclusion(index, leaf_hash(leaf), checkpoint.size, checkpoint.root, hashes)
    except Bad as bad:
        bad.file, bad.entry = options.proof, None
        raise
    try:
        parse(leaf)
        form = "it is in the form that this log writes"
    except NotThis as error:
        raise Bad(f"the entry {error}", options.proof) from None
    say("proved, from this file alone:")
    say(f"  {checkpoint.origin} signed {checkpoint.size} entries, with the root {checkpoint.root.hex()}")
    say(f"  entry {index} of them is this one, to the byte; {form}:")
    say("    " + leaf.decode("ascii"))
    say("not proved:")
    say("  that the log still holds it, and what its other entries say")
    say("  that the log showed everybody the same tree: compare the checkpoint with one that others keep")
    say("  the time: it is the machine's; and that the gateway did as it wrote")


def main(arguments=None):
    about = __doc__.split("\n\n")
    parser = argparse.ArgumentParser(
        description=about[0], epilog="\n\n".join(about[2:]), formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="{log,shards,proof}")
    whole = commands.add_parser("log", help="verify a log's folder")
    whole.add_argument("log", metavar="LOG", help="the log's folder")
    whole.add_argument("vkey", metavar="VKEY", help="the verifier key, or a file that holds it")
    whole.add_argument("--since", metavar="CHECKPOINT", action="append",
                       help="a checkpoint that was kept: the log must go on from it (may be repeated)")
    whole.add_argument("--closed", action="store_true",
                       help="require that the log was closed in order, so that everything is signed")
    whole.add_argument("--skip-bodies", action="store_true", help="leave the sealed bodies unread")
    shards = commands.add_parser("shards", help="verify the shards of a log, and that each goes on from the one before")
    shards.add_argument("root", metavar="ROOT", help="the folder that holds the shards, such as 2026-11")
    shards.add_argument("vkey", metavar="VKEY", help="the verifier key of one shard, or a file that holds it")
    shards.add_argument("--skip-bodies", action="store_true", help="leave the sealed bodies unread")
    shards.set_defaults(since=None, closed=False)
    proof = commands.add_parser("proof", help="verify the proof of one entry, without the log")
    proof.add_argument("proof", metavar="PROOF", help="a C2SP tlog-proof file")
    proof.add_argument("vkey", metavar="VKEY", help="the verifier key, or a file that holds it")
    proof.add_argument("--entry", metavar="FILE",
                       help="the entry's exact bytes, - for the standard input; else the proof's extra data")
    options = parser.parse_args(arguments)
    try:
        if options.command == "proof":
            check_proof(options)
        elif options.command == "shards":
            check_shards(options)
        else:
            for line in Verifier(Log(options.log), read_vkey(options.vkey), options).run().report():
                say(line)
    except Bad as bad:
        say(f"does not verify: {bad}", sys.stderr)
        return 1
    except (Trouble, OSError, MemoryError) as trouble:
        say(f"could not be checked: {trouble}", sys.stderr)
        return 2
    return 0


def say(line, to=None):
    """Prints a line. It may hold names that somebody chose to mislead a terminal."""
    plain = (c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in line)
    print("".join(plain), file=to or sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
