package learn

import (
	"strings"
	"testing"
)

// stream rolls out twice, follows the log, runs commands meanwhile, and forwards a port, by WebSocket and by SPDY. The log goes on only
// when a command has told the container so: a proxy that held the log's first line back, or the command, would stop it here.
const stream = `
kubectl apply -f app.yaml
kubectl rollout status deployment/web --timeout=20s
sed -i s/:1/:2/ app.yaml
kubectl apply -f app.yaml
kubectl rollout status deployment/web --timeout=20s

mkfifo log
kubectl logs -f deployment/web >log & logs=$!
forward=
trap 'kill $logs $forward 2>/dev/null || true' EXIT
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

for websockets in true false; do
  mkfifo forwarded
  KUBECTL_PORT_FORWARD_WEBSOCKETS=$websockets kubectl port-forward deployment/web :80 >forwarded & forward=$!
  exec 4<forwarded
  read -r line <&4
  port=${line#*127.0.0.1:}
  bash -c "exec 5<>/dev/tcp/127.0.0.1/${port%% *}; echo hello >&5; read -r line <&5; test \"\$line\" = hello"
  kill $forward
  wait $forward || true
  rm forwarded
done
`

// A rollout with status, logs, exec and a forwarded port: connections that are taken over and answers that do not end pass through the proxy.
func TestLoop_Streams(t *testing.T) { //nolint:tparallel // those of proveRules are
	t.Parallel()
	cluster := shareCluster(t)
	d := deployer{
		name: "a rollout with status, logs and exec", cluster: cluster, node: startKubelet(t, cluster).node,
		manifests: strings.Replace(app, "replicas: 0", "replicas: 1", 1), script: stream,
	}
	d.proveRules(t)
}
