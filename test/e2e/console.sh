#!/usr/bin/env bash
# Walks through the web console in a headless Chromium, against `make run`. CONSOLE_SHOTS names a
# folder for pictures of every room.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/e2e/lib.sh
. test/e2e/lib.sh

need chromium chromium chromium-browser google-chrome google-chrome-stable
chromium=$found
# axe-core finds what hinders people.
need npm npm
(cd "$folder" && npm pack --silent axe-core@4.14.1 && tar -xzf axe-core-4.14.1.tgz package/axe.min.js) >"$folder/npm.log" 2>&1 ||
  { cat "$folder/npm.log"; fail 'axe-core is needed, and npm does not get it'; }

say 'make run'
start_run
# shellcheck disable=SC1091
. "$RUN_DIR/env"
go build -o "$folder/console" ./test/e2e/console
until_true 60 'EsimOperator telco-one is not Ready' kubectl wait --for=condition=Ready esimoperator/telco-one --timeout=1s
kubectl -n acme create serviceaccount support >/dev/null
kubectl -n acme create rolebinding support --clusterrole=esim-client-readonly --serviceaccount=acme:support >/dev/null
ESIM_READ_TOKEN=$(kubectl -n acme create token support --audience=esim-api)
export ESIM_READ_TOKEN
began=$SECONDS
"$folder/console" -chromium "$chromium" -axe "$folder/package/axe.min.js" ${CONSOLE_SHOTS:+-shots "$CONSOLE_SHOTS"} | tee "$folder/walked" || fail 'the console does not do what it should'
passed=$(grep -c '^console: ok' "$folder/walked")
ok "the console, in $((SECONDS - began)) s"
printf '%d passed, 0 failed\n' "$passed"
