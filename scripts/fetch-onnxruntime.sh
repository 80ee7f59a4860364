#!/usr/bin/env bash
# Puts the ONNX Runtime CPU library into .portcullis/onnxruntime/, out of its Python wheel.
# Both the wheel and the library inside are pinned by SHA-256; the gateway checks the second again at load.
set -euo pipefail
cd "$(dirname "$0")/.."

version=1.32.0
case "$(uname -m)" in
  x86_64)  wheel=99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8
           library=6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f ;;
  aarch64) wheel=e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054
           library=49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a ;;
  *) echo "no pinned ONNX Runtime for $(uname -m)" >&2; exit 69 ;;
esac

to=.portcullis/onnxruntime
if echo "$library  $to/libonnxruntime.so" | sha256sum --check --status 2>/dev/null; then exit 0; fi

echo "fetching ONNX Runtime $version (about 20 MB, once)" >&2
mkdir -p "$to"
download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
echo "onnxruntime==$version --hash=sha256:$wheel" > "$download/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
  --python-version 3.12 --implementation cp --abi cp312 --platform "manylinux_2_28_$(uname -m)" \
  --dest "$download" --requirement "$download/requirements.txt"
python3 - "$download" "$to" "$version" <<'PY'
import glob, sys, zipfile
download, to, version = sys.argv[1:]
(wheel,) = glob.glob(f"{download}/*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in ("LICENSE", "ThirdPartyNotices.txt"):
        if f"onnxruntime/{name}" in archive.namelist():
            open(f"{to}/{name}", "wb").write(archive.read(f"onnxruntime/{name}"))
    open(f"{to}/libonnxruntime.so.part", "wb").write(archive.read(f"onnxruntime/capi/libonnxruntime.so.{version}"))
PY
echo "$library  $to/libonnxruntime.so.part" | sha256sum --check --status || { echo "the library in the wheel is not the pinned one" >&2; exit 1; }
mv "$to/libonnxruntime.so.part" "$to/libonnxruntime.so"
