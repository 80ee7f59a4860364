#!/usr/bin/env bash
# All tests: the documentation's examples, then everything else, by nextest where it is installed, else by cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo test --workspace --doc --quiet
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --no-fail-fast
else
  cargo test --workspace --no-fail-fast --lib --bins --tests
fi
