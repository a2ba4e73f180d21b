#!/usr/bin/env bash
# Looks for known vulnerabilities in the code that the programs really call: vulncheck.sh [database].
# It needs Go's vulnerability database: over the network, or a copy of it (file:///folder).
# Exit codes: 0 none is known, 2 the database cannot be reached, others as govulncheck has them.
set -euo pipefail
cd "$(dirname "$0")/../.."
database=()
if [ -n "${1:-}" ]; then database=(-db "$1"); fi
govulncheck() { go tool -modfile=hack/tools/go.mod govulncheck "${database[@]}" "$@"; }
# It tells how old the database is, if it can be read.
if ! about=$(govulncheck -version 2>&1) || ! grep -q '^DB updated:' <<<"$about"; then
  printf '%s\n\nvulncheck: NOTHING WAS CHECKED: the vulnerability database cannot be reached.\n' "$about" >&2
  printf 'Run it where it can be, or name a copy of it: make vulncheck VULNDB=file:///folder\n' >&2
  exit 2
fi
printf '%s\n' "$about"
govulncheck ./cmd/...
