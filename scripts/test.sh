#!/usr/bin/env bash
# All tests: by nextest where it is installed, else by cargo. The documentation's examples are tests too.
set -euo pipefail
cd "$(dirname "$0")/.."

if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --no-fail-fast
else
  cargo test --workspace --no-fail-fast --lib --bins --tests
fi
cargo test --workspace --doc --quiet
