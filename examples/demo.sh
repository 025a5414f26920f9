#!/usr/bin/env bash
# The main job of kubemint, end to end, on a Kubernetes control plane that lives on this machine for a minute: mint as a
# pipeline step would, look at what came out, use it, and revoke it. `make demo` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
# refused COMMAND…: a command that has to fail; it shows what the API server answers.
refused() {
  printf '$ %s\n' "$*"
  if "$@" 2>&1; then
    echo "this should have been refused" >&2
    exit 1
  fi
}

say "1. Build kubemint, and etcd, kube-apiserver, kube-controller-manager and kubectl (minutes the first time, then cached)"
work=$(mktemp -d)
controlplane=$(test/controlplane/build.sh)
CGO_ENABLED=0 go build -trimpath -o "$work/kubemint" .
go build -o "$work/serve" ./test/kubetest/serve
kubectl=$(dirname "$controlplane")/kubectl
[ -x "$kubectl" ] || { ln -s "$controlplane" "$work/kubectl"; kubectl=$work/kubectl; }
kubectl() { "$kubectl" "$@"; }

say "2. Start the control plane on loopback"
mkfifo "$work/alive"
KUBEMINT_CONTROLPLANE=$controlplane "$work/serve" "$work" <"$work/alive" >"$work/serve.log" 2>&1 &
serve=$!
exec 9>"$work/alive" # the control plane ends when this end closes, however this script ends
trap 'exec 9>&-; wait "$serve" 2>/dev/null; rm -rf "$work"' EXIT
until grep -q ^ready "$work/serve.log"; do
  kill -0 "$serve" 2>/dev/null || { cat "$work/serve.log" >&2; exit 1; }
  sleep 0.1
done
cat "$work/serve.log"

# A cloud login step has left this. Only kubemint uses it.
export KUBECONFIG=$work/admin.kubeconfig
kubectl create namespace shop >/dev/null
kubectl create namespace shop-jobs >/dev/null
kubectl create namespace payments >/dev/null
kubectl create namespace kubemint >/dev/null # for the accounts of pipelines

say "3. kubemint mint: this pipeline may deploy in two namespaces, for an hour"
export KUBEMINT_NAMESPACE=shop,shop-jobs
export KUBEMINT_SERVICE_ACCOUNT=kubemint/shop-deployer # in a namespace of its own
export KUBEMINT_DURATION=1h
export KUBEMINT_OUTPUT=$work/ci/kubeconfig
export KUBEMINT_RULES='
get,list,watch     pods,pods/log
get,create,patch   deployments,configmaps
'
printf 'KUBEMINT_RULES=%s\n' "$KUBEMINT_RULES"
show "$work/kubemint" mint

say "4. Who is the new credential, and what may it do? (kubectl with the written kubeconfig)"
set -a
# shellcheck source=/dev/null
. "$KUBEMINT_OUTPUT.env" # KUBECONFIG and the outputs, as a later step reads them
set +a
show kubectl auth whoami
show kubectl auth can-i --list
show kubectl create configmap release --from-literal=version=1
show kubectl -n shop-jobs get pods

say "5. And what may it not do?"
refused kubectl get secrets
refused kubectl delete configmap release
refused kubectl -n payments get pods
refused kubectl get nodes

say "6. The live credentials of the cluster (as administrator)"
show kubectl --kubeconfig "$work/admin.kubeconfig" get leases -A -l app.kubernetes.io/managed-by=kubemint

say "7. The job ends: kubemint revoke"
token_file=$work/dead.kubeconfig
cp "$KUBECONFIG" "$token_file"
show "$work/kubemint" revoke
printf 'The API server remembers a token that it has just accepted for 10 s; waiting until it refuses this one … '
for _ in $(seq 30); do
  kubectl --kubeconfig "$token_file" get pods >/dev/null 2>"$work/refusal" || break
  sleep 1
done
cat "$work/refusal"
grep -q Unauthorized "$work/refusal"
say "Done: file and credential are gone. The control plane ends now."
