package learn

import (
	"strings"
	"testing"
)

// stream rolls out twice, follows the log, and runs commands meanwhile, by WebSocket and by SPDY. The log goes on only
// when a command has told the container so: a proxy that held the log's first line back, or the command, would stop it here.
const stream = `
kubectl apply -f app.yaml
kubectl rollout status deployment/web --timeout=20s
sed -i s/:1/:2/ app.yaml
kubectl apply -f app.yaml
kubectl rollout status deployment/web --timeout=20s

mkfifo log
kubectl logs -f deployment/web >log & logs=$!
trap 'kill $logs 2>/dev/null || true' EXIT
exec 3<log
read -r line <&3
test "$line" = first
test "$(echo hello | kubectl exec -i deployment/web -- cat)" = hello
KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false kubectl exec deployment/web -- finish
read -r line <&3
test "$line" = last
wait $logs
code=0
kubectl exec deployment/web -- exit 3 || code=$?
test $code = 3
`

// A rollout with status, logs and exec: connections that are taken over and answers that do not end pass through the proxy.
func TestLoop_Streams(t *testing.T) {
	t.Parallel()
	cluster := shareCluster(t)
	d := deployer{
		name: "a rollout with status, logs and exec", cluster: cluster, node: startKubelet(t, cluster).node,
		manifests: strings.Replace(app, "replicas: 0", "replicas: 1", 1), script: stream,
	}
	d.proveRules(t)
}
