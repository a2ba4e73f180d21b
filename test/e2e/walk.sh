#!/usr/bin/env bash
# Walks through the README against `make run`, on ports and in a folder of its own, the way a
# newcomer would; then kills what a cluster would start again, and ends everything.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/e2e/lib.sh
. test/e2e/lib.sh

pids() { cat "$RUN_DIR"/{etcd,kube-apiserver,smdp-simulator,mailbox,webhooks,manager,facade}.pid; }
alive() { local pid; for pid in "$@"; do kill -0 "$pid" 2>/dev/null && return 0; done; return 1; }
released() { curl -fsS "$SMDP_CONTROL/summary" | grep -A8 '"profiles"' | sed -n 's/.*"Released": *\([0-9]*\).*/\1/p' | head -n 1; }
balance() { kubectl -n acme get esimwallet main -o jsonpath='{.status.balance}'; }
has() { [ "$(balance)" = "$1" ]; }
charges() { kubectl -n acme get esimorders -o jsonpath='{range .items[*]}{.status.charge.amount} {.status.charge.refund.transactionID}{"\n"}{end}' | awk '!$2 {s += $1} END {print s}'; }

say 'make run'
start_run
ok 'make run is ready'
mapfile -t first < <(pids)

# The README's own commands, as a newcomer would paste them. What they print has activation codes
# and tokens in it: it is looked at, and not shown.
go run ./test/e2e/follow -log "$folder/walk.log" README.md || fail "the README's commands fail"
ok "the README's commands work"
# shellcheck disable=SC1091
. "$RUN_DIR/env"
code=$(grep -oE -m 1 '^LPA:1\$rsp\.example\.com\$[0-9A-Z]{20,}$' "$folder/walk.log") || fail 'no activation code was printed'
ok 'its activation code is in its Secret'
kubectl get esim -A -o yaml | grep -qF "${code##*\$}" && fail 'the matching ID shows in the order'
grep -qF "${code##*\$}" "$RUN_DIR"/*.log && fail 'the matching ID is in a log'
ok 'it is nowhere else'
grep -q '"ann@example.com"' "$folder/walk.log" || fail 'the mailbox has no mail to ann@example.com'
grep -q '"status":"ACTIVE"' "$folder/walk.log" || fail 'the order of the README is not ACTIVE'
ok 'a device has installed it'
grep -q '^zendit' "$folder/walk.log" || fail 'with the first operator stopped, no order went to the second'
ok 'an order goes on at the second operator'
grep -q '"status":"DELIVERED"' "$folder/walk.log" || fail 'nothing was delivered over REST'
grep '"status":"CANCELLED"' "$folder/walk.log" | grep -q '"client_reference":"web-1"' || fail 'the order was not cancelled over REST'
ok 'the REST API delivers, and takes back'
rm "$folder/walk.log"
until_true 60 'the operator that was stopped is not Ready again' kubectl wait --for=condition=Ready esimoperator/telco-one --timeout=1s

kubectl apply --server-side --force-conflicts --dry-run=server -k config/default >/dev/null || fail 'config/default is refused by the API server'
ok 'config/default is accepted by the API server'

# An order's second life, of which nobody asks: e-mail, installation, webhooks.
go build -o "$folder/look" ./test/e2e/look
second=second-life@example.com
printf '{"apiVersion":"esim.telco.dev/v1alpha1","kind":"EsimOrder","metadata":{"name":"second-life","namespace":"acme"},"spec":{"productRef":{"name":"japan"},"variant":"1gb-7d","notificationEmail":"%s"}}' "$second" | kubectl apply -f - >/dev/null
until_true 30 'the order with an e-mail address is not DELIVERED' is second-life DELIVERED
until_true 30 'the customer got no receipt' "$folder/look" mail "$ESIM_MAILBOX" "$second"
mail=$("$folder/look" mail "$ESIM_MAILBOX" "$second")
secret() { kubectl -n acme get secret second-life-activation -o jsonpath="{.data.$1}" | base64 -d; }
code=$(secret activation-code) iccid=$(secret iccid)
[ -n "$code" ] || fail 'the order has no activation code'
[ "$(curl -fsS "$ESIM_MAILBOX/messages/$mail/qr.png" | "$folder/look" qr)" = "$code" ] || fail 'the QR code in the receipt is not the activation code'
ok 'the receipt has a QR code that reads as the activation code'
until_true 30 'the client was not told of the delivery' "$folder/look" event "$ESIM_WEBHOOKS" esim.order.delivered "$iccid"
ok 'the client was told of the delivery'

activation() { kubectl -n acme get esim second-life -o jsonpath='{.status.activation.status}'; }
[ "$(activation)" = NOT_INSTALLED ] || fail "before the installation the profile is $(activation)"
kubectl -n acme wait --for=jsonpath='{.status.activation.status}'=ACTIVE esim/second-life --timeout=10s >/dev/null &
waiting=$!
sleep 1 # until kubectl watches: its start is not what is measured
start=${EPOCHREALTIME/./}
curl -fsS -X POST "$SMDP_CONTROL/profiles/$iccid/install" >/dev/null
wait "$waiting" || fail "after the installation the profile is $(activation), not ACTIVE"
took=$(((${EPOCHREALTIME/./} - start) / 1000))
[ "$took" -le 1000 ] || fail "the order was ACTIVE after $took ms"
ok "a device installs the profile, and the order is ACTIVE after $took ms"
until_true 10 'the Secret of an installed profile still has its code' sh -c '[ -z "$(kubectl -n acme get secret second-life-activation -o jsonpath="{.data.activation-code}{.data.matching-id}")" ]'
[ "$(secret iccid)" = "$iccid" ] || fail 'the Secret of an installed profile lost its ICCID'
ok 'its code is removed from the Secret'
id=$(kubectl -n acme get esim second-life -o jsonpath='{.status.id}')
curl -fsS "$ESIM_API/api/v1/esim/orders/$id" -H "Authorization: Bearer $ESIM_TOKEN" >"$folder/second-life.json"
grep -q '"ACTIVE"' "$folder/second-life.json" || fail 'over REST the profile is not ACTIVE'
grep -qF "${code##*\$}" "$folder/second-life.json" && fail 'over REST the code of an installed profile still shows'
ok 'over REST it is masked'
until_true 30 'the client was not told of the installation' "$folder/look" event "$ESIM_WEBHOOKS" esim.installed "$iccid"
ok 'the client was told of the installation, with a valid signature'
curl -fsS "$ESIM_WEBHOOKS/events" >"$folder/events.json"
kubectl get esim,events -A -o yaml >"$folder/objects.yaml"
grep -qF "${code##*\$}" "$folder/events.json" && fail 'the matching ID is in a webhook'
grep -qF "${code##*\$}" "$folder/objects.yaml" && fail 'the matching ID shows in an order or an event'
grep -qF "${code##*\$}" "$RUN_DIR"/*.log && fail 'the matching ID is in a log'
ok 'only the receipt has its matching ID'

curl -fsS -X PUT "$SMDP_CONTROL/stock/JP-3GB-15D" -d '{"available": 0}' >/dev/null
order patient 3gb-15d
until_true 30 'an order without stock is not PENDING OutOfStock' \
  sh -c 'kubectl -n acme get esimorder patient -o jsonpath="{.status.conditions[?(@.type==\"Ready\")].reason}" | grep -qx OutOfStock'
ok 'an order without stock waits and says so'

curl -fsS -X POST "$SMDP_CONTROL/faults" -d '{"kind": "drop-answer", "function": "ConfirmOrder", "times": 1}' >/dev/null
order lost-answer 1gb-7d
until_true 30 'an order whose answer was lost is not DELIVERED' is lost-answer DELIVERED
[ "$(released)" = 1 ] || fail "one order is delivered and not installed, and $(released) profiles are Released"
ok 'a lost answer costs nobody a second profile'

manager=$(cat "$RUN_DIR/manager.pid")
kill -KILL "$manager"
until_true 30 'the killed manager was not started again' sh -c "[ -s '$RUN_DIR/manager.pid' ] && [ \"\$(cat '$RUN_DIR/manager.pid')\" != $manager ]"
order after-kill 1gb-7d
until_true 60 'the restarted manager delivers nothing' is after-kill DELIVERED
ok 'a manager that is killed is started again, and goes on'

simulator=$(cat "$RUN_DIR/smdp-simulator.pid")
kill -KILL "$simulator"
until_true 30 'the killed simulator was not started again' sh -c "[ -s '$RUN_DIR/smdp-simulator.pid' ] && [ \"\$(cat '$RUN_DIR/smdp-simulator.pid')\" != $simulator ]"
order after-outage 1gb-7d
until_true 60 'the restarted simulator sells nothing' is after-outage DELIVERED
ok 'so is the simulator, with its profiles'

paid=$(charges)
[ "$paid" -gt 0 ] || fail 'orders were delivered, and none was charged'
until_true 10 "the wallet does not show that $paid was paid: $(balance)" has $((10000 - paid))
ok "the wallet has what was paid in, less what $(kubectl -n acme get esimorders -o name | wc -l) orders cost"

kubectl -n acme delete esimorder trip-to-tokyo --timeout=30s >/dev/null
kubectl -n acme get secret trip-to-tokyo-activation >/dev/null 2>&1 && fail 'the Secret of a deleted order is still there'
ok 'deleting an order removes its Secret'
has $((10000 - paid)) || fail "deleting an order changed the balance to $(balance)"
ok 'and leaves the balance as it was'

kubectl -n acme patch esimorder lost-answer --type merge -p '{"spec": {"cancel": true}}' >/dev/null
until_true 30 'a delivered order was not cancelled' is lost-answer CANCELLED
until_true 10 "a cancelled order was not refunded: $(balance)" has $((10000 - paid + 650))
kubectl -n acme get secret lost-answer-activation >/dev/null 2>&1 && fail 'the Secret of a cancelled order is still there'
ok 'cancelling an order that no device has gives the money back'

if make --no-print-directory run >"$folder/second.log" 2>&1; then fail 'a second make run was let in'; fi
ok 'a second make run is refused'

mapfile -t all < <(pids)
# SIGTERM: what a script starts in the background ignores SIGINT.
kill -TERM "$supervisor"
wait "$supervisor" || true # make answers a signal with a failure
grep -q 'everything has ended' "$folder/make-run.log" || fail 'make run did not end well'
supervisor=''
alive "${first[@]}" "${all[@]}" && fail 'a process was left behind'
[ ! -e "$RUN_DIR/ready" ] || fail '.run/ready is still there'
ok 'SIGTERM ends every process'

make --no-print-directory run >"$folder/make-run.log" 2>&1 &
supervisor=$!
until_true 300 'make run is not ready a second time' test -e "$RUN_DIR/ready"
is after-outage DELIVERED || fail 'an order is gone after a restart'
[ "$(released)" = 2 ] || fail "three orders were delivered that no device has, one of them cancelled, and after a restart $(released) profiles are Released"
ok 'orders and profiles last over a restart'
kill -TERM "$supervisor"
wait "$supervisor" || true
supervisor=''

make --no-print-directory clean-run >/dev/null
[ ! -e "$RUN_DIR" ] || fail 'make clean-run leaves something behind'
ok 'make clean-run removes the state'
printf '%d passed, 0 failed\n' "$passed"
