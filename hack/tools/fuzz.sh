#!/usr/bin/env bash
# Runs every fuzz target of the repository for a while, one after another: fuzz.sh [time].
# What breaks one is kept in its package's testdata/fuzz, and is a test from then on.
set -euo pipefail
cd "$(dirname "$0")/../.."
time=${1:-30s}
failed=()
while IFS=: read -r file target; do
  printf 'fuzz: %s in %s, for %s\n' "$target" "$(dirname "$file")" "$time"
  go test "./$(dirname "$file")" -run='^$' -fuzz="^$target\$" -fuzztime="$time" || failed+=("$target in $(dirname "$file")")
done < <(git grep --untracked -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/func //')
[ ${#failed[@]} -eq 0 ] || { printf 'fuzz: broken: %s\n' "${failed[@]}" >&2; exit 1; }
