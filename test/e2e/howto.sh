#!/usr/bin/env bash
# Does what docs/howto says against a `make run` of its own: lets a client in, connects operators,
# rotates certificates and keys, and takes all of it away again. gitops.md has no commands.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/e2e/lib.sh
. test/e2e/lib.sh

need openssl openssl
say 'make run'
start_run
# shellcheck disable=SC1091
. "$RUN_DIR/env"
go build -o "$folder/follow" ./test/e2e/follow
pages=$PWD/docs/howto
mkdir "$folder/desk"
cd "$folder/desk" # where the pages have one keep files

# follow PAGE FLAGS...: what the page says, with its manifests. What it prints has credentials in it.
follow() {
  local page=$1
  shift
  "$folder/follow" -apply "$@" "$pages/$page" >"$folder/followed" || fail "docs/howto/$page is not true"
  ok "$(sed "s|$pages|docs/howto|" "$folder/followed")"
}
smdp=smdp.telco-two.example:8443=127.0.0.1:$RUN_SMDP_PORT
requester=1.3.6.1.4.1.55555=OPERATOR-1
ready() { kubectl get esimoperator "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'; }
is_ready() { [ "$(ready "$1")" = "$2" ]; }

# kube-controller-manager gathers what edit may do; none runs here.
rules=$(kubectl get clusterrole esimorders-edit -o jsonpath='{.rules}')
kubectl patch clusterrole edit --type=merge -p "{\"rules\": $rules}" >/dev/null
follow add-a-client.md -but remove-a-client
key=$(kubectl -n globex get secrets -l esim.telco.dev/api-key -o jsonpath='{.items[*].metadata.name}')

# What an operator hands over: here the simulator, which knows us by one certificate.
cp "$RUN_DIR"/smdp/pki/clients/OPERATOR-1/{tls.crt,tls.key,ca.crt} .
cp "$RUN_DIR/smdp/wholesalers/zendit/api-key" api-key.txt
cp "$RUN_DIR/smdp/wholesalers/zendit/ca.crt" zendit-ca.crt
zendit='credentialsSecretRef: {name: zendit-two}'
follow add-an-operator.md -but remove-one -replace "$smdp" -replace "$requester" \
  -replace 'name: zendit=name: zendit-two' -replace 'generic zendit=generic zendit-two' -replace 'esimoperator/zendit=esimoperator/zendit-two' \
  -replace "$zendit=$zendit"$'\n'"    url: https://127.0.0.1:$RUN_ZENDIT_PORT/v1" -replace 'api-key.txt=api-key.txt --from-file=ca.crt=zendit-ca.crt'
[ "$(kubectl -n globex get esim trial -o jsonpath='{.status.phase} {.status.provisioning.operatorRef.name}')" = 'CANCELLED telco-two' ] ||
  fail 'the trial was not bought at telco-two and given back'

# certificate NAME CA FILE: a certificate for a client, and its key.
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -subj "/CN=$1" 2>/dev/null |
    openssl x509 -req -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 1 -extfile <(echo extendedKeyUsage=clientAuth) -out tls.crt 2>/dev/null
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout stranger.key -out stranger.crt -subj /CN=stranger -days 1 2>/dev/null
certificate OPERATOR-1 stranger
kubectl -n esim-system create secret generic telco-two --from-file=tls.crt --from-file=tls.key --from-file=ca.crt --dry-run=client -o yaml | kubectl replace -f - >/dev/null
until_true 60 'an operator is Ready with a certificate that it refuses' is_ready telco-two False
cp "$RUN_DIR"/smdp/pki/ca.{crt,key} .
certificate OPERATOR-1 ca
cp ca.crt old-ca.crt
cp stranger.crt new-ca.crt
kubectl -n esim-system create secret generic telco-two-sender-ca --from-file=ca.crt >/dev/null
follow rotate-certificates.md -absent cert-manager.io -replace "$smdp" -replace "$requester" -replace "esim-api-key-OLD=$key"
cmp -s <(kubectl -n esim-system get secret telco-two -o jsonpath='{.data.tls\.crt}' | base64 -d) tls.crt || fail 'the Secret does not have the new certificate'
keys=$(kubectl -n globex get secrets -l esim.telco.dev/api-key -o jsonpath='{.items[*].metadata.name}')
[ "$(wc -w <<<"$keys")" = 1 ] && [ "$keys" != "$key" ] || fail 'there is not one API key, the new one'
# Both authorities, and the certificate that was just put there.
follow rotate-certificates.md -only at-an-sm-dp
[ "$(kubectl -n esim-system get secret telco-two -o jsonpath='{.data.ca\.crt}' | base64 -d | grep -c BEGIN)" = 2 ] || fail 'the Secret has not both authorities'
kubectl esim buy norway 1gb-7d -n globex --name=last --wait >/dev/null || fail 'nothing can be bought with the new certificate'
ok 'with the new certificate, and both authorities, orders go on'

kubectl delete esimproduct norway >/dev/null
follow add-an-operator.md -only remove-one
kubectl get esimoperator telco-two >/dev/null 2>&1 && fail 'the operator is still there'

# remove_namespace NAME: empties a namespace that is deleted, as kube-controller-manager does.
remove_namespace() {
  until_true 60 "nobody deletes the namespace $1" sh -c "kubectl get namespace '$1' -o jsonpath='{.metadata.deletionTimestamp}' | grep -q ."
  kubectl -n "$1" delete esimorders,esimwallets,esimclients,secrets,serviceaccounts,roles,rolebindings --all --timeout=30s >/dev/null
  printf '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "%s"}}' "$1" | kubectl replace --raw "/api/v1/namespaces/$1/finalize" -f - >/dev/null
}
remove_namespace globex &
remover=$!
follow add-a-client.md -only remove-a-client
wait "$remover" || fail 'what is in the namespace of a client cannot be deleted'
grep -q 'transfer-0001' globex-statement.yaml || fail 'the statement that is kept of a client has not its deposit'
kubectl get namespace globex >/dev/null 2>&1 && fail 'the namespace is still there'
printf '%d passed, 0 failed\n' "$passed"
