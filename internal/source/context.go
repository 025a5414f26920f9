package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/trust"
)

// useContext makes a Source of one context. clientcmd sees only its cluster and its user, with
// every file already read and no plugin left.
func (l *loader) useContext(at *place) (*Source, error) {
	chosen := at.contextName(l.Context)
	context := at.config.Contexts[chosen]
	if context == nil {
		return nil, explainNoContext(at, chosen)
	}
	op := "use context " + quoteName(chosen)
	cluster, user, err := findEntries(op, at.config, context)
	if err != nil {
		return nil, err
	}
	if err := l.prepareEntries(op, context, cluster, user); err != nil {
		return nil, err
	}
	const it = "it" // clientcmd would repeat the real names in its errors, line breaks included
	config, err := clientcmd.NewNonInteractiveClientConfig(api.Config{
		Clusters:  map[string]*api.Cluster{it: cluster},
		AuthInfos: map[string]*api.AuthInfo{it: user},
		Contexts:  map[string]*api.Context{it: {Cluster: it, AuthInfo: it}},
	}, it, nil, nil).ClientConfig()
	if err != nil {
		return nil, problem.New(problem.Source, op, err).
			Hint("correct the kubeconfig's user or cluster: kubectl refuses it for the same reason")
	}
	config.QPS = -1
	origin := at.Source
	origin.Context = chosen
	return &Source{
		REST: config,
		Endpoint: Endpoint{
			Server: config.Host, TLSServerName: cluster.TLSServerName, ProxyURL: cluster.ProxyURL,
			CAData: cluster.CertificateAuthorityData, Insecure: cluster.InsecureSkipTLSVerify,
		},
		Entry: Entry{
			Namespace: context.Namespace, Cluster: context.Cluster, Context: chosen, User: context.AuthInfo,
			ActsAs:  trust.DescribeImpersonation(user),
			planted: l.policy.IsPlanted(context.LocationOfOrigin), idToken: l.idToken,
		},
		Origin: origin, Files: l.files, Warnings: l.warnings, Secrets: l.secrets, login: l.login,
	}, nil
}

// findEntries returns copies of a context's cluster and user.
func findEntries(
	op string, config *api.Config, context *api.Context,
) (*api.Cluster, *api.AuthInfo, error) {
	cluster := config.Clusters[context.Cluster]
	user := config.AuthInfos[context.AuthInfo]
	switch {
	case cluster == nil || user == nil:
		return nil, nil, refuse(op, "its cluster %s or its user %s is not in the kubeconfig",
			quoteName(context.Cluster), quoteName(context.AuthInfo)).
			Hint("give all the files of $KUBECONFIG, or write one: `kubectl config view --raw " +
				"--minify --flatten`")
	case context.Namespace != "" && validation.IsDNS1123Label(context.Namespace) != nil:
		return nil, nil, refuse(op, "its namespace %s is not a valid name", quoteName(context.Namespace)).
			Hint("correct it: `kubectl config set-context --current --namespace=NAME`")
	}
	return cluster.DeepCopy(), user.DeepCopy(), nil
}

// prepareEntries refuses what would harm the runner, and embeds the files that the entries name.
func (l *loader) prepareEntries(
	op string, context *api.Context, cluster *api.Cluster, user *api.AuthInfo,
) error {
	if err := l.prepareCluster(quoteName(context.Cluster), cluster); err != nil {
		return err
	}
	if err := l.policy.CheckExpected(op, cluster, l.bundle); err != nil {
		return err
	}
	if err := l.prepareUser(quoteName(context.AuthInfo), user, cluster); err != nil {
		return err
	}
	if l.login == nil {
		if err := l.policy.CheckPairing(op, user, cluster); err != nil {
			return err
		}
	}
	return l.policy.CheckImpersonation("use user "+quoteName(context.AuthInfo), user, cluster)
}

func explainNoContext(at *place, chosen string) error {
	names := slices.Sorted(maps.Keys(at.config.Contexts))
	if len(names) == 0 {
		return refuse("read kubeconfig", "there is no context in it").
			Hint("see whether the earlier step has logged in to a cluster, and wrote into this " +
				"file: `kubectl config get-contexts`")
	}
	op := "choose a context"
	cause := "the kubeconfig has no current-context, but"
	if chosen != "" {
		op = "use context " + quoteName(chosen)
		cause = "the kubeconfig has only"
	}
	err := refuse(op, "%s %s", cause, strings.Trim(fmt.Sprintf("%q", names), "[]"))
	if near := problem.NearestWord(chosen, names); near != "" {
		return err.Hint("did you mean %s?", quoteName(near))
	}
	return err.Hint("name one of them in the input `context`")
}
