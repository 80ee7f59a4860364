#!/usr/bin/env python3
"""Verifies a closed audit log from FORMAT.md alone: verify.py LOG_FOLDER VERIFIER_KEY

Standard library only, but for the signature, which `openssl` checks. Written apart from the Rust
code, to keep it honest: it shares no line with it. It reads what is published; of the write-ahead
log it only looks whether the end is a clean one.
"""

import base64
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(leaf):
    return sha256(b"\x00" + leaf)


def root(hashes):
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + root(hashes[:middle]) + root(hashes[middle:]))


def tile_path(kind, number, width):
    groups = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03}")
    return f"tile/{kind}/" + "/".join(groups) + ("" if width == 256 else f".p/{width}")


def check(holds, what):
    if not holds:
        sys.exit(f"does not verify: {what}")


def checkpoint(log, vkey):
    """The tree size and root that the key signed."""
    body, signatures = (log / "checkpoint").read_text().split("\n\n")
    body += "\n"
    origin, size, tree = body.split("\n")[:3]
    name, key_hash, key = vkey.split("+", 2)
    key = base64.b64decode(key)
    check(name == origin, "the checkpoint is another log's")
    check(sha256(name.encode() + b"\n" + key)[:4].hex() == key_hash, "the verifier key is misspelt")
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        signature = base64.b64decode(signature)
        if (dash, signer, signature[:4].hex()) == ("\u2014", name, key_hash):
            check_ed25519(key[1:], body.encode(), signature[4:])
            return int(size), base64.b64decode(tree)
    sys.exit("does not verify: the checkpoint is not signed by this key")


def check_ed25519(key, message, signature):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "key").write_bytes(bytes.fromhex("302a300506032b6570032100") + key)
        (folder / "message").write_bytes(message)
        (folder / "signature").write_bytes(signature)
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin", "-inkey", "key",
             "-in", "message", "-sigfile", "signature"],
            cwd=folder, capture_output=True)
        check(done.returncode == 0, "the signature")


def entries(log, size):
    """Every published entry, from its bundle."""
    for number in range((size + 255) // 256):
        width = min(256, size - 256 * number)
        bundle = (log / tile_path("entries", number, width)).read_bytes()
        for _ in range(width):
            (length,) = struct.unpack(">H", bundle[:2])
            yield bundle[2:2 + length]
            bundle = bundle[2 + length:]
        check(not bundle, f"bundle {number} is too long")


def check_tiles(log, hashes):
    level = 0
    while hashes:
        for number in range((len(hashes) + 255) // 256):
            tile = hashes[256 * number:256 * number + 256]
            stored = (log / tile_path(level, number, len(tile))).read_bytes()
            check(stored == b"".join(tile), f"tile {number} of level {level}")
        hashes = [root(hashes[at:at + 256]) for at in range(0, len(hashes) - 255, 256)]
        level += 1


def check_story(log, leaves):
    boot, count, open_intents, epochs, missing = None, 0, {}, set(), {}
    for index, leaf in enumerate(leaves):
        entry = json.loads(leaf)
        check(json.dumps(entry, separators=(",", ":")).encode() == leaf, f"entry {index} has another form")
        if entry["type"] == "boot":
            check(entry["found"] == index and entry["open"] == len(open_intents), f"opening at {index}")
            boot, count = entry["boot"], 0
        check((entry["boot"], entry["n"]) == (boot, count), f"the number of entry {index}")
        count += 1
        if entry["type"] in ("key.epoch", "key.rewrap"):
            suffix = "" if entry["type"] == "key.epoch" else "." + entry["keyring"][:16]
            keyring = log / "keyring" / (entry["epoch"] + suffix)
            missing.pop(entry["epoch"], None)
            if keyring.exists():
                check(sha256(keyring.read_bytes()).hex() == entry["keyring"], f"the key file of entry {index}")
            else:
                missing[entry["epoch"]] = index
            if entry["type"] == "key.epoch":
                epochs.add(entry["epoch"])
        if entry["type"] == "req.intent":
            open_intents[index] = entry["req"]
        if entry["type"] == "req.outcome":
            check(open_intents.pop(entry["intent"], None) == entry["req"], f"the intent of outcome {index}")
        for body in entry.get("body", []):
            volume = (log / "content" / f"{body['vol']:08}").read_bytes()
            sealed = volume[body["at"]:body["at"] + body["len"]]
            check(sha256(sealed).hex() == body["ct"] and body["epoch"] in epochs, f"a body of entry {index}")
    check(not missing, f"the key files of entries {sorted(missing.values())} are not there")
    return open_intents


def main(folder, vkey):
    log = pathlib.Path(folder)
    size, tree = checkpoint(log, vkey)
    leaves = list(entries(log, size))
    hashes = [leaf_hash(leaf) for leaf in leaves]
    check(root(hashes) == tree, "the entries do not lead to the signed root")
    check_tiles(log, hashes)
    open_intents = check_story(log, leaves)
    (segment,) = sorted((log / "wal").iterdir())
    header = segment.read_bytes()
    check(header[:8] == b"PCWAL1\n\0" and struct.unpack("<QI", header[32:40] + header[84:88]) == (size, 1),
          "the write-ahead log does not end here")
    print(f"{size} entries, root {tree.hex()}, {len(open_intents)} open intents")


if __name__ == "__main__":
    main(*sys.argv[1:])
