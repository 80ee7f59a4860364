"""Makes keys with OpenSSL and tokens with PyJWT, for tests: an issuer that shares no code with the gateway.

    make_tokens.py FOLDER NOW

writes FOLDER/jwks.json (the issuer's key set), FOLDER/next.json (the set after a rotation), FOLDER/secret (shared with a
front end) and FOLDER/tokens.json (name -> token). NOW is in seconds since 1970.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import subprocess
import sys

import jwt
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISS = "https://login.agency.example"
FRONT = "https://chat.agency.example"
CLUSTER = "https://kubernetes.default.svc.cluster.local"


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


def key(folder, name, *kind):
    """A private key, PEM, and its public half."""
    file = folder / f"{name}.key"
    openssl("genpkey", *kind, "-out", str(file))
    return file.read_bytes(), openssl("pkey", "-in", str(file), "-pubout")


def jwk(algorithm, public, **more):
    return json.loads(algorithm.to_jwk(algorithm.prepare_key(public))) | more


def part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def main(folder, now):
    rsa, rsa_public = key(folder, "rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    ec, ec_public = key(folder, "ec", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    ed, ed_public = key(folder, "ed", "-algorithm", "ED25519")
    new, new_public = key(folder, "new", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    foreign, foreign_public = key(folder, "foreign", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    secret = openssl("rand", "-hex", "32").strip()
    (folder / "secret").write_bytes(secret + b"\n")

    rsas, ecs, eds = RSAAlgorithm(RSAAlgorithm.SHA256), ECAlgorithm(ECAlgorithm.SHA256), OKPAlgorithm()
    keys = [
        jwk(rsas, rsa_public, kid="r1", use="sig", alg="RS256"),
        jwk(ecs, ec_public, kid="e1", use="sig", alg="ES256"),
        jwk(eds, ed_public, kid="d1", use="sig"),
        # What must not be used: for encryption, and a secret that everybody can read.
        jwk(rsas, foreign_public, kid="enc", use="enc"),
        {"kty": "oct", "kid": "oct", "k": part(b"everybody can read this secret!!")},
    ]
    (folder / "jwks.json").write_text(json.dumps({"keys": keys}))
    (folder / "next.json").write_text(json.dumps({"keys": [jwk(rsas, new_public, kid="r2", use="sig")]}))

    claims = {"iss": ISS, "aud": "portcullis", "sub": "alice", "iat": now, "exp": now + 600}

    def token(signer=rsa, alg="RS256", kid="r1", headers=None, drop=(), **changed):
        body = {name: value for name, value in (claims | changed).items() if name not in drop}
        return jwt.encode(body, signer, algorithm=alg, headers={"kid": kid} | (headers or {}))

    def forged(header, signature=b"", body=None):
        """A token that no library would make."""
        signed = f"{part(header)}.{part(claims if body is None else body)}"
        tag = signature(signed.encode()) if callable(signature) else signature
        return f"{signed}.{part(tag)}"

    def mac(with_key):
        return lambda signed: hmac.new(with_key, signed, hashlib.sha256).digest()

    good = token()
    header, payload, signature = good.split(".")
    other = part(claims | {"sub": "mallory"})
    body = json.dumps(claims)
    twice = body[:-1] + ', "sub": "mallory"}'
    tokens = {
        "good": good,
        "good_es256": token(ec, "ES256", "e1"),
        "good_eddsa": token(ed, "EdDSA", "d1"),
        "good_audience_list": token(aud=["somebody", "portcullis"]),
        "good_mallory": token(sub="mallory"),
        "good_odd_subject": token(sub="auth0|42 %"),
        "good_at_jwt": token(headers={"typ": "at+jwt"}),
        "rotated": token(new, kid="r2"),
        # Claims that say who somebody is.
        "anna": token(sub="anna", office="demo/benefits/web", clearance="CUI//SP-PRVCY"),
        "anna_uncleared": token(sub="anna", office="demo/benefits/web"),
        "anna_elsewhere": token(sub="anna", office="demo/logistics/plans", clearance="CUI//SP-PRVCY"),
        "anna_of_cluster": token(iss=CLUSTER, sub="anna", office="demo/benefits/web", clearance="CUI//SP-PRVCY"),
        # Every classic forgery.
        "alg_none": forged({"alg": "none", "typ": "JWT"}),
        "alg_none_signed": forged({"alg": "None", "kid": "r1"}, b"x"),
        "alg_none_mixed": forged({"alg": "nOnE", "kid": "r1"}, b"x"),
        "no_alg": forged({"typ": "JWT", "kid": "r1"}, b"x"),
        "confusion_pem": forged({"alg": "HS256", "kid": "r1"}, mac(rsa_public)),
        "confusion_pem_stripped": forged({"alg": "HS256", "kid": "r1"}, mac(rsa_public.strip())),
        "confusion_jwk": forged({"alg": "HS256", "kid": "r1"}, mac(json.dumps(keys[0]).encode())),
        "published_secret": forged({"alg": "HS256", "kid": "oct"}, mac(b"everybody can read this secret!!")),
        "encryption_key": token(foreign, kid="enc"),
        "other_algorithm": token(alg="RS512"),
        "algorithm_of_another_key": token(rsa, "RS256", "e1"),
        "unknown_kid": token(foreign, kid="r9"),
        "foreign_key": token(foreign),
        "kid_path": token(foreign, kid="../../../../dev/null"),
        "embedded_jwk": token(foreign, headers={"jwk": jwk(rsas, foreign_public)}),
        "embedded_jku": token(foreign, kid="r9", headers={"jku": "https://evil.example/jwks.json"}),
        "critical": token(headers={"crit": ["exp"]}),
        "other_type": token(headers={"typ": "secevent+jwt"}),
        "nested": token(headers={"cty": "JWT"}),
        "signature_stripped": f"{header}.{payload}.",
        "signature_missing": f"{header}.{payload}",
        "signature_of_another": f"{header}.{other}.{signature}",
        "payload_padded": f"{header}.{payload}==.{signature}",
        "four_parts": f"{good}.x",
        "claim_twice": forged({"alg": "RS256", "kid": "r1"}, b"x", twice.encode()),
        "wrong_audience": token(aud="somebody"),
        "no_audience": token(drop=("aud",)),
        "audience_prefix": token(aud="portcullis-test"),
        "wrong_issuer": token(iss="https://evil.example"),
        "issuer_slash": token(iss=ISS + "/"),
        "no_issuer": token(drop=("iss",)),
        "expired": token(iat=now - 900, exp=now - 300),
        "no_expiry": token(drop=("exp",)),
        "not_yet": token(nbf=now + 300),
        "from_the_future": token(iat=now + 300),
        "too_long": token(exp=now + 10 * 86400),
        "no_subject": token(drop=("sub",)),
        "empty_subject": token(sub=""),
        "long_subject": token(sub="a" * 200),
        "too_large": token(more="x" * 20000),
        # A front end and its user.
        "user": jwt.encode(claims | {"iss": FRONT}, secret, algorithm="HS256"),
        "user_mallory": jwt.encode(claims | {"iss": FRONT, "sub": "mallory"}, secret, algorithm="HS256"),
        "user_foreign": jwt.encode(claims | {"iss": FRONT}, b"another secret, as long as the first", algorithm="HS256"),
        # As a Kubernetes API server projects it.
        "cluster": token(
            iss=CLUSTER,
            sub="system:serviceaccount:benefits:web",
            nbf=now,
            jti="6f2c",
            **{"kubernetes.io": {"namespace": "benefits", "serviceaccount": {"name": "web"}}},
        ),
    }
    (folder / "tokens.json").write_text(json.dumps(tokens))


main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
