#!/usr/bin/env bash
# Four operators against `make run`: the first stops, answers are lost, profiles are installed.
# After each story the ledgers of all four are held against what was delivered.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/e2e/lib.sh
. test/e2e/lib.sh

control() { curl -fsS -X "$1" "$SMDP_CONTROL/$2" ${3:+-d "$3"} >/dev/null; }
at() { kubectl -n acme get esimorder "$1" -o jsonpath='{.status.provisioning.operatorRef.name}'; }
iccid() { kubectl -n acme get esimorder "$1" -o jsonpath='{.status.esim.iccid}'; }
activation() { kubectl -n acme get esimorder "$1" -o jsonpath='{.status.activation.status}'; }
is_active() { [ "$(activation "$1")" = ACTIVE ]; }
reason() { kubectl -n acme get esimorder "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].reason}'; }
ready() { [ "$(kubectl get esimoperator "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = True ]; }
milliseconds() { echo $((${EPOCHREALTIME/./} / 1000)); }

# exact: what all operators have sold and not taken back is what was delivered, one by one.
exact() {
  "$folder/look" owned "$SMDP_CONTROL" | cut -d' ' -f1 | sort >"$folder/owned"
  kubectl -n acme get esimorders -o jsonpath='{range .items[?(@.status.phase=="DELIVERED")]}{.status.esim.iccid}{"\n"}{end}' | sort >"$folder/delivered"
  diff "$folder/owned" "$folder/delivered" >"$folder/difference" || { cat "$folder/difference"; fail "after $1, what operators sold (<) is not what was delivered (>)"; }
  [ -z "$(uniq -d "$folder/delivered")" ] || fail "after $1, two orders have one profile"
  ok "after $1, the four ledgers have $(wc -l <"$folder/delivered") profiles, one for each delivered order"
}

# stays SECONDS ORDER OPERATOR: the order is PENDING at the operator all the time.
stays() {
  local last=$((SECONDS + $1))
  while [ "$SECONDS" -lt "$last" ]; do
    is "$2" PENDING && [ "$(at "$2")" = "$3" ] || fail "$2 is $(phase "$2") at $(at "$2"), while what it bought at $3 is not known"
    sleep 0.5
  done
}

say 'make run'
start_run
# shellcheck disable=SC1091
. "$RUN_DIR/env"
go build -o "$folder/look" ./test/e2e/look
kubectl -n acme patch esimwallet main --type json \
  -p '[{"op": "add", "path": "/spec/deposits/-", "value": {"reference": "transfer-0002", "amount": "100000"}}]' >/dev/null
for operator in telco-one zendit esim-access airalo; do until_true 60 "EsimOperator $operator is not Ready" ready "$operator"; done
ok 'four operators are Ready'

order calm 1gb-7d
until_true 30 'an order is not DELIVERED' is calm DELIVERED
[ "$(at calm)" = telco-one ] || fail "an order went to $(at calm), not to the first source"
ok 'an order goes to the first source'

control POST faults '{"kind": "refuse-connection"}'
began=$(milliseconds)
for n in 1 2 3 4 5 6; do order "storm-$n" 1gb-7d; done
for n in 1 2 3 4 5 6; do
  until_true 30 "with the first operator stopped, an order is $(phase "storm-$n")" is "storm-$n" DELIVERED
  [ "$(at "storm-$n")" = zendit ] || fail "with the first operator stopped, an order went to $(at "storm-$n")"
done
ok "the first operator stops, and six orders go on through the second within $(($(milliseconds) - began)) ms"
began=$(milliseconds)
order later 1gb-7d
until_true 15 'a later order is not DELIVERED' is later DELIVERED
ok "who orders then waits $(($(milliseconds) - began)) ms"
exact 'an operator stopped'

control POST zendit/faults '{"kind": "refuse-connection"}'
order further 1gb-7d
until_true 40 "with two operators stopped, an order is $(phase further)" is further DELIVERED
[ "$(at further)" = esim-access ] || fail "with two operators stopped, an order went to $(at further)"
ok 'with the second stopped too, the third serves'
control DELETE faults
control DELETE zendit/faults
# Whether an operator is back is found out by a probe, every 30 s, and by one order then.
began=$(milliseconds) back=''
for n in $(seq 30); do
  order "back-$n" 1gb-7d
  until_true 30 'an order after the outage is not DELIVERED' is "back-$n" DELIVERED
  [ "$(at "back-$n")" = telco-one ] && back=yes && break
  sleep 2
done
[ -n "$back" ] || fail 'after the outage no order goes to the first source any more'
until_true 10 'EsimOperator telco-one is not Ready although it delivers' ready telco-one
ok "the first operator is back, and orders go to it again after $(($(milliseconds) - began)) ms"
exact 'both are back'

# The first source of 5gb-30d is zendit, and that of 10gb-30d esim-access.
control POST zendit/faults '{"kind": "drop", "function": "POST /esim/purchases", "times": 1}'
control POST zendit/faults '{"kind": "status", "status": 503, "function": "GET /esim/purchases/{transactionId}"}'
order unknown 5gb-30d
until_true 20 "an order whose answer was lost says $(reason unknown)" sh -c 'kubectl -n acme get esimorder unknown -o jsonpath="{.status.provisioning.attempt}" | grep -q .'
stays 8 unknown zendit
ok "while the answer of a purchase is lost, the order stays where it is, and says $(reason unknown)"
control DELETE zendit/faults
until_true 60 "an order whose answer was lost is $(phase unknown)" is unknown DELIVERED
[ "$(at unknown)" = zendit ] || fail "an order that zendit had sold went to $(at unknown)"
exact 'an answer was lost'

control POST zendit/faults '{"kind": "drop", "execution": "never", "function": "POST /esim/purchases", "times": 1}'
order unsent 5gb-30d
until_true 60 "an order that never arrived is $(phase unsent)" is unsent DELIVERED
exact 'a request was lost'

control PUT esim-access/delays '{"list": "3s"}'
control POST esim-access/faults '{"kind": "drop", "function": "/esim/order", "times": 1}'
order listed 10gb-30d
until_true 60 "an order that only a list tells of is $(phase listed)" is listed DELIVERED
[ "$(at listed)" = esim-access ] || fail "an order that esim-access had sold went to $(at listed)"
control PUT esim-access/delays '{}'
exact 'an answer was lost that only a list tells of'

# Nobody reports an installation here: the vendor is asked, by a GET of the order or by itself.
order asked 5gb-30d
order polled 10gb-30d
until_true 30 'an order is not DELIVERED' is asked DELIVERED
until_true 30 'an order is not DELIVERED' is polled DELIVERED
control POST "zendit/profiles/$(iccid asked)/install"
control POST "esim-access/profiles/$(iccid polled)/install"
id=$(kubectl -n acme get esimorder asked -o jsonpath='{.status.id}')
installed() { curl -fsS "$ESIM_API/api/v1/esim/orders/$id" -H "Authorization: Bearer $ESIM_TOKEN" | grep -q '"is_installed": *true'; }
began=$(milliseconds)
until_true 20 'GET of an order does not tell that its profile is installed' installed
ok "GET of an order asks the vendor, and tells of the installation after $(($(milliseconds) - began)) ms"
until_true 60 'an installation that nobody asks for is not noticed' is_active polled
ok 'an installation that nobody asks for is noticed too'
exact 'installations'

story=$(awk '/^```/ {if (inside && block ~ /refuse-connection/) printf "%s", block; inside = !inside; block = ""; next}
  inside {block = block $0 "\n"}' README.md)
[ -n "$story" ] || fail 'README.md has no block of commands that stops an operator'
bash -euo pipefail -c "$story" >"$folder/story.log" 2>&1 || { cat "$folder/story.log"; fail "the README's commands for fail-over fail"; }
[ "$(at trip-to-kyoto)" = zendit ] || fail "the README's order went to $(at trip-to-kyoto)"
ok "the README's commands for fail-over work"
exact 'what the README tells'

kill -TERM "$supervisor"
wait "$supervisor" || true
supervisor=''
printf '%d passed, 0 failed\n' "$passed"
