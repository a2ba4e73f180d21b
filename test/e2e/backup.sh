#!/usr/bin/env bash
# Saves a shop and restores it with the commands of docs/backup.md, which need jq: `make test`, which
# needs Go alone, skips them where it is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/e2e/lib.sh
. test/e2e/lib.sh

need jq jq
KUBEBUILDER_ASSETS=$(go run -C hack/controlplane .)
export KUBEBUILDER_ASSETS
NEVER_SKIP=1 go test -count=1 ./test/restore -ginkgo.focus 'The commands of docs/backup.md' -ginkgo.fail-on-empty ||
  fail 'the commands of docs/backup.md do not do what they should'
ok 'a shop is saved and restored with the commands of docs/backup.md'
printf '%d passed, 0 failed\n' "$passed"
