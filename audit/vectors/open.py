#!/usr/bin/env python3
"""Opens the bodies of one entry, from FORMAT.md alone: open.py LOG_FOLDER INDEX CERTIFICATE KEY

For a recipient with certificate and private key (PEM). The standard library, and `openssl` for the
ciphers. Verify the log first: this believes what the entry says, and proves that the text is what
the entry commits to. (`openssl enc` does not do GCM, so the tag is left unread: the commitment
covers the same text, and is signed.)
"""

import hashlib
import itertools
import json
import pathlib
import struct
import subprocess
import sys


def check(holds, what):
    if not holds:
        sys.exit(f"does not open: {what}")


def sha256(data):
    return hashlib.sha256(data).digest()


def entries(log, size):
    """Every published entry, from its bundle (C2SP tlog-tiles)."""
    for number in range((size + 255) // 256):
        groups = [f"{number % 1000:03}"] + [f"x{number // 1000 ** i % 1000:03}" for i in range(1, 4) if number >= 1000 ** i]
        width = min(256, size - 256 * number)
        path = "tile/entries/" + "/".join(reversed(groups)) + ("" if width == 256 else f".p/{width}")
        bundle = (log / path).read_bytes()
        for _ in range(width):
            (length,) = struct.unpack(">H", bundle[:2])
            yield bundle[2:2 + length]
            bundle = bundle[2 + length:]


def openssl(*arguments, given=b""):
    done = subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True)
    check(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


def epoch_key(log, origin, epoch, certificate, key):
    """From the newest keyring file of the epoch that opens; all of them hold the same key."""
    for keyring in sorted((log / "keyring").glob(epoch + "*"), reverse=True):
        opened = subprocess.run(
            ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", keyring, "-recip", certificate, "-inkey", key],
            capture_output=True)
        if opened.returncode == 0:
            line = json.loads(opened.stdout)
            check((line["epoch"], line["origin"]) == (epoch, origin), f"{keyring} is of another epoch or log")
            return line["key"]
    sys.exit("no keyring file of the epoch opens with this key")


def text(sealed, key):
    check(sealed[:1] == b"\x01", "the version of a sealed body")
    unwrap = ["enc", "-d", "-id-aes256-wrap", "-K", key, "-iv", "a6" * 8]
    body_key = openssl(*unwrap, given=sealed[1:41]).hex()
    # GCM with a 12-byte nonce of zeros encrypts by counting from 2 (NIST SP 800-38D section 7.1).
    count = ["enc", "-d", "-aes-256-ctr", "-K", body_key, "-iv", f"{2:032x}"]
    return openssl(*count, given=sealed[41:-16])


def main(folder, index, certificate, key):
    log = pathlib.Path(folder)
    origin, size = (log / "checkpoint").read_text().split("\n")[:2]
    entry = json.loads(next(itertools.islice(entries(log, int(size)), int(index), None)))
    for body in entry.get("body", []):
        volume = (log / "content" / f"{body['vol']:08}").read_bytes()
        sealed = volume[body["at"]:body["at"] + body["len"]]
        check(sha256(sealed).hex() == body["ct"], "the sealed body")
        salted = text(sealed, epoch_key(log, origin, body["epoch"], certificate, key))
        check(sha256(salted).hex() == body["commit"], "the text is not what the entry commits to")
        print(f"{body['dir']}: {salted[32:].decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
