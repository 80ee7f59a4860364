#!/usr/bin/env bash
# Runs every libFuzzer target on the stable toolchain: scripts/fuzz.sh SECONDS_EACH [crate/target ...]
# Coverage instrumentation comes from LLVM's own pass, so no nightly compiler is needed.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: scripts/fuzz.sh SECONDS_EACH [crate/target ...]}
shift
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=on -Coverflow-checks=on"
export CARGO_TARGET_DIR=$PWD/target/fuzz

found=0
for package in */fuzz; do
  crate=${package%/fuzz}
  for source in "$package"/fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    if [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qx "$crate/$target"; then continue; fi
    found=$((found + 1))
    cargo build --quiet --release --manifest-path "$package/Cargo.toml" --bin "$target" --target "$host"
    mkdir -p "$package/corpus/$target" "$package/artifacts/$target"
    new=$(mktemp -d)
    echo "fuzzing $crate/$target for ${seconds}s"
    # New inputs go to a scratch folder: the checked-in corpus only grows on purpose.
    status=0
    "$CARGO_TARGET_DIR/$host/release/$target" -max_total_time="$seconds" -print_final_stats=1 \
      -artifact_prefix="$package/artifacts/$target/" "$new" "$package/corpus/$target" >"$new.log" 2>&1 || status=$?
    sed -nE 's/^#([0-9]+)\tDONE +cov: ([0-9]+) .*/  \1 executions, \2 edges covered/p' "$new.log"
    grep -E 'ERROR|SUMMARY|panicked|Test unit written' "$new.log" || true
    rm -rf "$new" "$new.log"
    if [ "$status" -ne 0 ]; then echo "$crate/$target: FAILED, see $package/artifacts/$target" >&2; exit 1; fi
  done
done
echo "$found fuzz targets ran"
