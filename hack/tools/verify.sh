#!/usr/bin/env bash
# Fails where what is generated, go.mod, the manifests or PROJECT are not what they should be.
# It works on a copy, so that a check never changes what it checks.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
say() { printf 'verify: %s\n' "$*"; }
fail() { printf 'verify: %s\n' "$*" >&2; exit 1; }

say 'generated code and manifests'
# Files that are deleted and not committed yet are still listed: those that exist count.
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
  tar --null -T - -cf - | tar -xf - -C "$copy"
make -C "$copy" --no-print-directory generate manifests chart docs >/dev/null
for path in api config charts internal/facade/wire docs/metrics.md docs/reference; do
  diff -ru "$root/$path" "$copy/$path" || fail "$path is not what \`make generate manifests chart\` makes of the sources"
done

say 'gofmt'
unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
[ -z "$unformatted" ] || fail "not formatted; run \`make fmt\`: $unformatted"

say 'go.mod and go.sum'
for module in . hack/controlplane hack/release hack/tools; do
  (cd "$module" && go mod tidy -diff) || fail "$module/go.mod or go.sum is not tidy"
done

say 'licences'
hack/tools/licences.sh >/dev/null || fail 'a module that is shipped has a licence that is not allowed'

say 'manifests render'
assets=$(go run -C hack/controlplane .)
for folder in config/*/; do
  [ -e "$folder/kustomization.yaml" ] || fail "$folder has no kustomization.yaml"
  "$assets/kubectl" kustomize "$folder" >/dev/null || fail "$folder does not render"
done

say 'kubebuilder reads PROJECT'
# `edit` loads PROJECT, checks it, and writes it again: in the copy, where nothing is lost.
(cd "$copy" && go tool -modfile="$root/hack/tools/go.mod" kubebuilder edit --multigroup=false >/dev/null) || fail 'kubebuilder cannot read PROJECT'

# It does not know what the project has, though.
for kind in $(sed -n 's/^    kind: //p' config/crd/bases/*.yaml); do
  grep -qx "  kind: $kind" PROJECT || fail "PROJECT does not name the kind $kind"
done

say 'all is as it should be'
