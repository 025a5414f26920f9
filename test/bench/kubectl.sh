#!/bin/sh
# The job that kubemint does, as a pipeline does it by hand with kubectl: an account with exactly these rules, a token, a kubeconfig, and a
# question whether it works. No lease, no proof of the rules, no rollback. make bench runs it beside kubemint.
# usage: kubectl.sh NAMESPACE OUTPUT    with KUBECONFIG set
set -eu
namespace=$1 output=$2
kubectl -n "$namespace" apply -f - >/dev/null <<'EOF'
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, create, patch]}
EOF
kubectl -n "$namespace" create rolebinding deployer --role deployer --serviceaccount "$namespace:deployer" --dry-run=client -o yaml |
  kubectl apply -f - >/dev/null
token=$(kubectl -n "$namespace" create token deployer --duration 1h)
server=$(kubectl config view --raw --minify -o 'jsonpath={.clusters[0].cluster.server}')
kubectl config view --raw --minify -o 'jsonpath={.clusters[0].cluster.certificate-authority-data}' | base64 -d >"$output.ca"
(
  umask 077
  export KUBECONFIG="$output"
  kubectl config set-cluster c --server "$server" --certificate-authority "$output.ca" --embed-certs >/dev/null
  kubectl config set-credentials u --token "$token" >/dev/null
  kubectl config set-context c --cluster c --user u --namespace "$namespace" >/dev/null
  kubectl config use-context c >/dev/null
  kubectl auth whoami >/dev/null
)
