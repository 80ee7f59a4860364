#!/usr/bin/env bash
# Trains the fast classifier from a folder of labelled data: train/train.sh DATA_DIR
set -euo pipefail
data=$(realpath "${1:?usage: train/train.sh DATA_DIR}")
cd "$(dirname "$0")/.."

environment=.portcullis/train
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check --requirement train/requirements.txt
cargo build --quiet --release --package guardrails --example ngrams
"$environment/bin/python" train/train.py --data "$data" --ngrams target/release/examples/ngrams --out models/fast-guard
