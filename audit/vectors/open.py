#!/usr/bin/env python3
"""Opens the bodies of one entry, from FORMAT.md alone: open.py LOG_FOLDER INDEX CERTIFICATE KEY

For a recipient with certificate and private key (PEM). The standard library, and `openssl` for the
ciphers. Prints each body as one line of JSON. Verify the log first: this believes what the entries
say, and proves that the text is what they commit to. (`openssl enc` does not do GCM, so the tag is
left unread: the commitment covers the same text, and is signed.)
"""

import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import zlib


def check(holds, what):
    if not holds:
        sys.exit(f"does not open: {what}")


def sha256(data):
    return hashlib.sha256(data).digest()


def openssl(*arguments, given=b""):
    done = subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True)
    check(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


def decipher(sealed, key):
    """Salt and packed document of a sealed body."""
    check(sealed[:1] == b"\x01", "the version of a sealed body")
    unwrap = ["enc", "-d", "-id-aes256-wrap", "-K", key, "-iv", "a6" * 8]
    body_key = openssl(*unwrap, given=sealed[1:41]).hex()
    # GCM with a 12-byte nonce of zeros encrypts by counting from 2 (NIST SP 800-38D section 7.1).
    count = ["enc", "-d", "-aes-256-ctr", "-K", body_key, "-iv", f"{2:032x}"]
    opened = openssl(*count, given=sealed[41:-16])
    return opened[:32], opened[32:]


def unpack(packed):
    method, length = struct.unpack(">BI", packed[:5])
    data = packed[5:5 + length]
    return zlib.decompress(data) if method else data


class Log:
    def __init__(self, folder, certificate, key):
        self.folder, self.officer = pathlib.Path(folder), (certificate, key)
        self.origin, size = (self.folder / "checkpoint").read_text().split("\n")[:2]
        self.size, self.keys = int(size), {}

    def entry(self, index):
        """A published entry, from its bundle (C2SP tlog-tiles)."""
        check(index < self.size, "the entry is not published")
        number, at = divmod(index, 256)
        groups = [f"{number % 1000:03}"]
        groups += [f"x{number // 1000 ** i % 1000:03}" for i in range(1, 4) if number >= 1000 ** i]
        width = min(256, self.size - 256 * number)
        path = "tile/entries/" + "/".join(reversed(groups)) + ("" if width == 256 else f".p/{width}")
        bundle = (self.folder / path).read_bytes()
        for _ in range(at):
            bundle = bundle[2 + struct.unpack(">H", bundle[:2])[0]:]
        (length,) = struct.unpack(">H", bundle[:2])
        return json.loads(bundle[2:2 + length])

    def epoch_key(self, epoch):
        """From the newest keyring file of the epoch that opens; all of them hold the same key."""
        certificate, key = self.officer
        # What was sealed again after a month's log was closed lies in a later one.
        months = [other for other in self.folder.parent.glob("[0-9]*-[0-9]*") if other.name > self.folder.name]
        keyrings = [file for folder in [self.folder, *months] for file in (folder / "keyring").glob(epoch + "*")]
        for keyring in sorted(keyrings, reverse=True):
            opened = subprocess.run(
                ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", keyring, "-recip", certificate, "-inkey", key],
                capture_output=True)
            if opened.returncode == 0:
                line = json.loads(opened.stdout)
                check((line["epoch"], line["origin"]) == (epoch, self.origin), f"{keyring} is of another epoch or log")
                return line["key"]
        sys.exit("no keyring file of the epoch opens with this key")

    def document(self, body):
        """The document of a sealed body, as it was sealed."""
        epoch = body["epoch"]
        if epoch not in self.keys:
            self.keys[epoch] = self.epoch_key(epoch)
        volume = (self.folder / "content" / f"{body['vol']:08}").read_bytes()
        sealed = volume[body["at"]:body["at"] + body["len"]]
        check(sha256(sealed).hex() == body["ct"], "the sealed body")
        salt, packed = decipher(sealed, self.keys[epoch])
        document = unpack(packed)
        check(sha256(salt + document).hex() == body["commit"], "the text is not what the entry commits to")
        document = json.loads(document)
        if "original" in document:
            original = json.dumps(document["original"], separators=(",", ":"), ensure_ascii=False).encode()
            check(sha256(salt + original).hex() == body["original"], "the original is not what the entry commits to")
        return document

    def whole(self, index, body):
        """The same, with the texts that stand in other bodies."""
        document = self.document(body)
        for text in document["texts"]:
            if "same" in text:
                entry, n, at = text.pop("same")
                check(entry < index, "a text is said to stand in a later entry")
                other = self.entry(entry)["body"][n]
                check(other["epoch"] == body["epoch"], "a text is said to stand in another epoch")
                there = self.document(other)["texts"][at]
                check("text" in there, "a text is said to stand where it does not")
                text["text"] = there["text"]
        return document


def main(folder, index, certificate, key):
    log = Log(folder, certificate, key)
    for body in log.entry(int(index)).get("body", []):
        print(json.dumps({"dir": body["dir"], **log.whole(int(index), body)}, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
