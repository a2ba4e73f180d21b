#!/usr/bin/env bash
# Writes config/default into one file, with the image that is to run.
#
#   hack/tools/installer.sh KUBECTL IMAGE FILE
set -euo pipefail
kubectl=$1 image=$2 file=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
built='image: esim-operator:latest'
rendered=$("$kubectl" kustomize "$root/config/default")
found=$(grep -c "^ *$built\$" <<<"$rendered" || true)
[ "$found" = 1 ] || { echo "installer: config/default has $found lines \"$built\"; there must be one" >&2; exit 1; }
case $image in *[!A-Za-z0-9./:@_-]* | '') echo "installer: $image is no name of an image" >&2; exit 1 ;; esac
mkdir -p "$(dirname "$file")"
{
  echo "# esim-operator, to be applied with: kubectl apply --server-side -f $(basename "$file")"
  sed "s|^\( *\)$built\$|\1image: $image|" <<<"$rendered"
} >"$file"
echo "installer: wrote $file"
