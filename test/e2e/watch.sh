#!/usr/bin/env bash
# Watches `make run` sell and fail with a real Prometheus, Debian's: what alerts say is tried with
# promtool, every query of the dashboard must have an answer, and alerts must see what happens.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/e2e/lib.sh
. test/e2e/lib.sh

prometheus_port=$((offset + 9090)) prometheus=''
end_all() {
  if [ -n "$prometheus" ]; then
    kill "$prometheus" 2>/dev/null || true
    wait "$prometheus" 2>/dev/null || true
  fi
  finish
}
trap end_all EXIT

# The package is unpacked, not installed: that would start a service, and needs root.
find_prometheus() {
  if command -v prometheus promtool >/dev/null; then return; fi
  command -v apt-get >/dev/null || fail 'prometheus and promtool are needed: install the package prometheus'
  mkdir "$folder/debian"
  (cd "$folder/debian" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; } && dpkg-deb -x prometheus_*.deb .) \
    >"$folder/apt.log" 2>&1 || { cat "$folder/apt.log"; fail 'prometheus and promtool are needed, and apt-get does not get them'; }
  PATH=$folder/debian/usr/bin:$PATH
}
find_prometheus
mkdir "$folder/alerts"
sed '1,/^spec:$/d; s/^  //' config/prometheus/rules.yaml >"$folder/alerts/rules.yaml"
cp test/alerts/*.yaml "$folder/alerts"
promtool check rules "$folder/alerts/rules.yaml" >"$folder/promtool.log" 2>&1 || { cat "$folder/promtool.log"; fail 'promtool refuses the rules'; }
(cd "$folder/alerts" && promtool test rules messages.yaml money.yaml operators.yaml orders.yaml) >"$folder/promtool.log" 2>&1 ||
  { cat "$folder/promtool.log"; fail 'the alerts are not what test/alerts says'; }
ok "promtool finds the alerts as test/alerts says: $(grep -c 'alertname:' test/alerts/*.yaml | awk -F: '{n += $2} END {print n}') states of them"

say 'make run'
start_run
# shellcheck disable=SC1091
. "$RUN_DIR/env"
PATH=$folder/debian/usr/bin:$PATH
go build -o "$folder/watch" ./test/e2e/watch
control() { curl -fsS -X "$1" "$SMDP_CONTROL/$2" ${3:+-d "$3"} >/dev/null; }
ready() { [ "$(kubectl get esimoperator "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = True ]; }
kubectl -n acme patch esimwallet main --type json \
  -p '[{"op": "add", "path": "/spec/deposits/-", "value": {"reference": "transfer-0002", "amount": "10000000"}}]' >/dev/null

# Prometheus reads as it would in a cluster: over HTTPS, with a token and the role of config/rbac.
kubectl -n esim-system create serviceaccount prometheus >/dev/null
kubectl create clusterrolebinding prometheus --clusterrole=esim-operator-metrics-reader --serviceaccount=esim-system:prometheus >/dev/null
(umask 077 && kubectl -n esim-system create token prometheus >"$folder/token")
cat >"$folder/prometheus.yaml" <<END
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$folder/alerts/rules.yaml]
scrape_configs:
- job_name: esim
  scheme: https
  authorization: {credentials_file: $folder/token}
  tls_config: {insecure_skip_verify: true}
  static_configs:
  - targets: ['127.0.0.1:$RUN_METRICS_PORT', '127.0.0.1:$RUN_API_METRICS_PORT']
END
prometheus --config.file="$folder/prometheus.yaml" --storage.tsdb.path="$folder/tsdb" --web.listen-address="127.0.0.1:$prometheus_port" \
  --log.level=warn >"$folder/prometheus.log" 2>&1 &
prometheus=$!
url=http://127.0.0.1:$prometheus_port
until_true 20 'prometheus does not start' curl -fsS "$url/-/ready"
for operator in telco-one zendit esim-access airalo; do until_true 60 "EsimOperator $operator is not Ready" ready "$operator"; done

# many NAME COUNT VARIANT: that many orders at once.
many() {
  local n
  for n in $(seq "$2"); do
    printf '{"apiVersion":"esim.telco.dev/v1alpha1","kind":"EsimOrder","metadata":{"name":"%s-%s","namespace":"acme"},"spec":{"productRef":{"name":"japan"},"variant":"%s","notificationEmail":"ann@example.com"}}\n' "$1" "$n" "$3"
  done | kubectl apply -f - >/dev/null
}
rest() { curl -fsS "$ESIM_API/api/v1/$1" -H "Authorization: Bearer $ESIM_TOKEN" >/dev/null || fail "GET $1 fails"; }
# load ROUND: sales at three operators, failures, lost answers, installations, refunds, deletions.
load() {
  many "sold-$1" 8 1gb-7d
  many "resold-$1" 3 5gb-30d
  many "listed-$1" 3 10gb-30d
  many "mistaken-$1" 2 no-such-plan
  many "scarce-$1" 1 3gb-15d
  for _ in 1 2 3 4 5; do rest esim/products; rest esim/orders; rest wallets; done
  until_true 30 'an order is not DELIVERED' is "sold-$1-1" DELIVERED
  until_true 30 'an order is not DELIVERED' is "sold-$1-3" DELIVERED
  control POST "profiles/$(kubectl -n acme get esimorder "sold-$1-1" -o jsonpath='{.status.esim.iccid}')/install"
  kubectl -n acme patch esimorder "sold-$1-2" --type merge -p '{"spec": {"cancel": true}}' >/dev/null
  kubectl -n acme delete esimorder "sold-$1-3" --wait=false >/dev/null
}
control PUT stock/JP-3GB-15D '{"available": 0}'
control POST faults '{"kind": "drop-answer", "function": "DownloadOrder", "times": 2}'
began=$SECONDS
for round in 1 2 3 4; do load "$round"; done
while ! "$folder/watch" dashboard "$url" config/grafana/esim-operator.json >"$folder/answers" 2>&1; do
  [ $((SECONDS - began)) -lt 90 ] || { cat "$folder/answers"; fail 'a query of the dashboard has no answer'; }
  round=$((round + 1))
  load "$round"
done
ok "$(cat "$folder/answers") under load, after $((SECONDS - began)) s"

alerting() { "$folder/watch" alerts "$url" | grep -q "^$1 "; }
"$folder/watch" alerts "$url" >"$folder/alerting" || fail 'a rule cannot be evaluated'
[ ! -s "$folder/alerting" ] || { cat "$folder/alerting"; fail 'while all is well, somebody is alerted'; }
ok 'while all is well, nobody is alerted'

# What the runbooks have one type to see what is wrong. No Pods run here, so logs are empty.
for runbook in docs/runbooks/*.md; do
  awk '/^## / {seeing = /How to see it/} /^```/ {inside = !inside; next} inside && seeing' "$runbook" |
    sed "s/CLIENT/acme/g; s/ORDER/sold-1-1/g; s/OPERATOR/telco-one/g; s/WALLET/main/g" >"$folder/commands"
  [ -s "$folder/commands" ] || fail "$runbook has no commands to see it"
  bash -u "$folder/commands" >"$folder/seen" 2>"$folder/complaints" || true # grep finds nothing where all is well
  grep -v 'No resources found' "$folder/complaints" && fail "the commands of $runbook fail"
done
ok 'the commands of all runbooks can be typed'

control POST faults '{"kind": "refuse-connection"}'
many dark 6 1gb-7d
until_true 60 'prometheus does not see that an operator is down' alerting EsimOperatorNotReady
alerting EsimNoOperatorReady && fail 'with three operators left, an alert says that there is none'
ok 'an operator that stops is seen'
control DELETE faults

manager=$(cat "$RUN_DIR/manager.pid")
kill -STOP "$manager"
until_true 30 'prometheus does not see that nobody leads' alerting EsimNobodyLeads
kill -CONT "$manager"
ok 'a manager that is stopped is seen'
printf '%d passed, 0 failed\n' "$passed"
