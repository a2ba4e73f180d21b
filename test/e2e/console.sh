#!/usr/bin/env bash
# Walks through the web console in a headless Chromium, against `make run`. CONSOLE_SHOTS names a
# folder for pictures of every room.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/e2e/lib.sh
. test/e2e/lib.sh

chromium=''
find_chromium() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if chromium=$(command -v "$name"); then return; fi
  done
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail 'Chromium is needed: install the package chromium'
  { apt-get install -y --no-install-recommends chromium || { apt-get update && apt-get install -y --no-install-recommends chromium; }; } \
    >"$folder/apt.log" 2>&1 || { tail -n 5 "$folder/apt.log"; fail 'Chromium is needed, and apt-get does not get it'; }
  chromium=$(command -v chromium)
}
find_chromium

# axe-core finds what hinders people. Without npm the walk is made all the same, and says so.
axe=''
if command -v npm >/dev/null && (cd "$folder" && npm pack --silent axe-core@4.14.1 && tar -xzf axe-core-4.14.1.tgz package/axe.min.js) >"$folder/npm.log" 2>&1; then
  axe=$folder/package/axe.min.js
else
  say 'NOT CHECKED: what hinders people (npm does not get axe-core)'
fi

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
"$folder/console" -chromium "$chromium" -axe "$axe" ${CONSOLE_SHOTS:+-shots "$CONSOLE_SHOTS"} | tee "$folder/walked" || fail 'the console does not do what it should'
passed=$(grep -c '^console: ok' "$folder/walked")
ok "the console, in $((SECONDS - began)) s"
printf '%d passed, 0 failed\n' "$passed"
