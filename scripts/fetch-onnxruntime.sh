#!/usr/bin/env bash
# Puts the ONNX Runtime CPU library into .portcullis/onnxruntime/, out of its Python wheel.
# Both the wheel and the library inside are pinned by SHA-256; the gateway checks the second again at load.
set -euo pipefail
cd "$(dirname "$0")/.."

# Not newer: from 1.29.0 on the Linux wheels carry a telemetry client that looks up its collector's address as soon as
# an environment is made, whatever the program says (seen with strace). This one has none.
version=1.28.0
case "$(uname -m)" in
  x86_64)  wheel=0a83bdb70d143cede762b677789bf2a7acca54b3fb82565601d5c30695aa933c
           library=aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083 ;;
  aarch64) wheel=4e81a23df16e7acb9d51b06d30cc098e49315ef9180f97bc2221d167b4b04d9c
           library=23a37c2994bc273e1d59a4f49af6cba5bf1cfbc29f04907ec27df375aba50a7d ;;
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
