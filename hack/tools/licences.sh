#!/usr/bin/env bash
# Fails where a module that the shipped programs are built from has a licence that is not allowed,
# or none that can be told. These may be linked into a program under Apache-2.0 and passed on with
# it; MPL-2.0 wants its own files to stay open, which they are.
set -euo pipefail
cd "$(dirname "$0")/../.."
allowed=Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT,MPL-2.0
complaints=$(mktemp)
trap 'rm -f "$complaints"' EXIT
for program in ./cmd/*/; do
  # What it warns of, on the way, are modules with assembly, in which it looks for no imports.
  if ! go tool -modfile=hack/tools/go.mod go-licenses check "$program" --allowed_licenses="$allowed" 2>"$complaints"; then
    grep -vE '^W|^/' "$complaints" >&2 || cat "$complaints" >&2
    printf 'licences: %s is built from a module that is not allowed (allowed: %s)\n' "$program" "$allowed" >&2
    exit 1
  fi
  printf 'licences: all modules of %s are allowed\n' "$program"
done
