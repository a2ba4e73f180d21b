#!/usr/bin/env bash
# Does what docs/tutorial.md says, word for word, against a `make run` of its own, and compares what
# it prints with what the page shows.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/e2e/lib.sh
. test/e2e/lib.sh

say 'make run'
start_run
go run ./test/e2e/follow docs/tutorial.md || fail 'docs/tutorial.md is not true'
ok 'docs/tutorial.md is true, word for word'
printf '%d passed, 0 failed\n' "$passed"
