# Shared by the scripts of this folder, which source it: `make run` in a folder and on ports of
# its own, and how to wait and to tell.
# shellcheck shell=bash

folder=$(mktemp -d)
export RUN_DIR=$folder/run
offset=${E2E_PORT_OFFSET:-22000}
export RUN_ETCD_PORT=$((offset + 2379)) RUN_ETCD_PEER_PORT=$((offset + 2380)) RUN_APISERVER_PORT=$((offset + 6443)) \
  RUN_SMDP_PORT=$((offset + 8443)) RUN_SMDP_CONTROL_PORT=$((offset + 8444)) \
  RUN_METRICS_PORT=$((offset + 8080)) RUN_HEALTH_PORT=$((offset + 8081)) RUN_API_PORT=$((offset + 8090)) RUN_API_METRICS_PORT=$((offset + 8091)) \
  RUN_NOTIFICATIONS_PORT=$((offset + 8445)) RUN_SMTP_PORT=$((offset + 8025)) RUN_MAILBOX_PORT=$((offset + 8026)) \
  RUN_WEBHOOKS_PORT=$((offset + 8096)) \
  RUN_ZENDIT_PORT=$((offset + 8446)) RUN_ESIM_ACCESS_PORT=$((offset + 8447)) RUN_AIRALO_PORT=$((offset + 8448))

passed=0 supervisor=''
say() { printf 'e2e: %s\n' "$*"; }
ok() { passed=$((passed + 1)); say "ok: $*"; }
fail() { # what failed comes last, where it is looked for
  tail -n 40 "$folder/make-run.log" "$folder"/second.log "$RUN_DIR"/manager.log >&2 2>/dev/null || true
  say "FAILED: $*, in ${0##*/}" >&2
  exit 1
}
finish() {
  if [ -n "$supervisor" ] && kill -0 "$supervisor" 2>/dev/null; then
    kill -TERM "$supervisor" || true
    wait "$supervisor" || true
  fi
  rm -rf "$folder"
}
trap finish EXIT

# until_true SECONDS WHAT COMMAND...: tries the command until it succeeds.
until_true() {
  local last=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$last" ] || fail "$what"
    sleep 0.2
  done
}

# need PACKAGE COMMAND...: leaves in $found which of the commands there is; where there is none,
# apt-get installs the package. What cannot be had fails: skipped would look like passed.
need() {
  local package=$1 name
  shift
  for name in "$@"; do
    if found=$(command -v "$name"); then return; fi
  done
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "$1 is needed: install the package $package"
  { apt-get install -y --no-install-recommends "$package" || { apt-get update && apt-get install -y --no-install-recommends "$package"; }; } \
    >"$folder/apt.log" 2>&1 || { tail -n 5 "$folder/apt.log"; fail "$1 is needed, and apt-get does not get the package $package"; }
  # shellcheck disable=SC2034 # for who sources this
  found=$(command -v "$1") || fail "the package $package is installed, and has no $1"
}

# start_run starts `make run` and returns once it is ready.
start_run() {
  make --no-print-directory run >"$folder/make-run.log" 2>&1 &
  supervisor=$!
  local last=$((SECONDS + 1500))
  until [ -e "$RUN_DIR/ready" ]; do
    kill -0 "$supervisor" 2>/dev/null || fail 'make run ended before it was ready'
    [ "$SECONDS" -lt "$last" ] || fail 'make run was not ready in time'
    sleep 0.5
  done
}

phase() { kubectl -n acme get esimorder "$1" -o jsonpath='{.status.phase}'; }
is() { [ "$(phase "$1")" = "$2" ]; }
order() { # NAME VARIANT
  printf '{"apiVersion":"esim.telco.dev/v1alpha1","kind":"EsimOrder","metadata":{"name":"%s","namespace":"acme"},"spec":{"productRef":{"name":"japan"},"variant":"%s"}}' "$1" "$2" | kubectl apply -f - >/dev/null
}
