//go:build bench

package bench

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubemint/kubemint/test/kubetest"
)

// TestTimeline prints one run as the API server sees it over a network, as a Mermaid chart.
func TestTimeline(t *testing.T) {
	b := &bench{T: t, cluster: kubetest.New(t, kubetest.Options{}), dir: t.TempDir()}
	b.kubemint = b.install("kubemint", "../../.ci/build", "OUT")
	type bar struct {
		what     string
		from, to time.Duration
	}
	var mu sync.Mutex
	var bars []bar
	var start time.Time
	proxy := kubetest.NewProxy(t, b.cluster, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		from := time.Since(start)
		next.ServeHTTP(w, r)
		parts := strings.Split(strings.TrimRight(r.URL.Path, "/"), "/")
		what := parts[len(parts)-1]
		if strings.ContainsAny(what, ":") || what == "deployer" || strings.HasPrefix(what, "kubemint-") {
			what = parts[len(parts)-2]
		}
		mu.Lock()
		defer mu.Unlock()
		bars = append(bars, bar{r.Method + " " + what, from, time.Since(start)})
	})
	token, err := b.cluster.AdminTokenKubeconfig(t.Context())
	b.must(err)
	through, err := proxy.Kubeconfig(token)
	b.must(err)
	server := "https://" + strings.Split(strings.SplitAfter(string(through), "server: https://")[1], "\n")[0]
	far := b.write("far.kubeconfig", strings.ReplaceAll(string(through), server, "https://"+relay(t, server, roundTrip)))
	namespace := b.namespace()
	start = time.Now()
	b.mint(far, namespace)
	mu.Lock()
	defer mu.Unlock()
	slices.SortStableFunc(bars, func(a, b bar) int { return int(a.from - b.from) })
	fmt.Println("gantt\n    dateFormat x\n    axisFormat %L ms")
	for _, one := range bars {
		fmt.Printf("    %s :%d, %d\n", one.what, one.from.Milliseconds(), max(one.to.Milliseconds(), one.from.Milliseconds()+1))
	}
}
