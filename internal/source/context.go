package source

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/certs"
)

// choose makes a Source of one context. clientcmd gets to see its cluster and its user alone, with every file already
// read and no plugin left.
func (l *loader) choose(at *place) (*Source, error) {
	chosen := at.chosen(l.Context)
	context := at.config.Contexts[chosen]
	if context == nil {
		return nil, noContext(at, chosen)
	}
	op := "use context " + named(chosen)
	cluster, user, err := entriesOf(op, at.config, context)
	if err != nil {
		return nil, err
	}
	if err := l.safe(op, context, cluster, user); err != nil {
		return nil, err
	}
	const it = "it" // clientcmd would repeat the names in its errors as they are, line breaks and all
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
		REST:   config,
		Server: config.Host, TLSServerName: cluster.TLSServerName, ProxyURL: cluster.ProxyURL,
		CAData: cluster.CertificateAuthorityData, Insecure: cluster.InsecureSkipTLSVerify,
		Namespace: context.Namespace, Cluster: context.Cluster, Context: chosen, User: context.AuthInfo,
		ActsAs:  actsAs(user),
		planted: l.written(context.LocationOfOrigin),
		Origin:  origin, Files: l.files, Warnings: l.warnings, Secrets: l.secrets, login: l.login,
	}, nil
}

// entriesOf finds the cluster and the user of a context.
func entriesOf(op string, config *api.Config, context *api.Context) (*api.Cluster, *api.AuthInfo, error) {
	cluster, user := config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo]
	switch {
	case cluster == nil || user == nil:
		return nil, nil, fail(op, "its cluster %s or its user %s is not in the kubeconfig",
			named(context.Cluster), named(context.AuthInfo)).
			Hint("give all the files of $KUBECONFIG, or write one: `kubectl config view --raw --minify --flatten`")
	case context.Namespace != "" && validation.IsDNS1123Label(context.Namespace) != nil:
		return nil, nil, fail(op, "its namespace %s is not a valid name", named(context.Namespace)).
			Hint("correct it: `kubectl config set-context --current --namespace=NAME`")
	}
	return cluster, user, nil
}

// safe refuses what would harm the runner, and embeds what files hold.
func (l *loader) safe(op string, context *api.Context, cluster *api.Cluster, user *api.AuthInfo) error {
	if err := l.cluster(named(context.Cluster), cluster); err != nil {
		return err
	}
	if err := l.expected(op, cluster); err != nil {
		return err
	}
	if err := l.user(named(context.AuthInfo), user, cluster); err != nil {
		return err
	}
	if err := l.paired(op, user, cluster); err != nil {
		return err
	}
	return l.itself("use user "+named(context.AuthInfo), user, cluster)
}

func noContext(at *place, chosen string) error {
	there := slices.Sorted(maps.Keys(at.config.Contexts))
	if len(there) == 0 {
		return fail("read kubeconfig", "there is no context in it").
			Hint("see whether the earlier step has logged in to a cluster, and wrote into this file: `kubectl " +
				"config get-contexts`")
	}
	op, cause := "choose a context", "the kubeconfig has no current-context, but"
	if chosen != "" {
		op, cause = "use context "+named(chosen), "the kubeconfig has only"
	}
	err := fail(op, "%s %s", cause, strings.Trim(fmt.Sprintf("%q", there), "[]"))
	if near := problem.Nearest(chosen, there); near != "" {
		return err.Hint("did you mean %s?", named(near))
	}
	return err.Hint("name one of them in the input `context`")
}

// user embeds what files hold, and drops the plugins.
func (l *loader) user(name string, u *api.AuthInfo, c *api.Cluster) (err error) {
	op, bearer := "use user "+name, []byte(u.Token)
	if u.TokenFile != "" { // it goes before the token and, as with client-go, is read again when it rotates
		bearer = nil
		if u.TokenFile, err = l.embed(op, "tokenFile", &u.TokenFile, &bearer, u.LocationOfOrigin); err != nil {
			return err
		}
	}
	u.Token = strings.TrimSpace(string(bearer))
	if err := checkToken(op, u, len(bearer) > 0 || u.TokenFile != ""); err != nil {
		return err
	}
	if _, err = l.embed(op, "client-certificate", &u.ClientCertificate, &u.ClientCertificateData, u.LocationOfOrigin); err != nil {
		return err
	}
	if _, err = l.embed(op, "client-key", &u.ClientKey, &u.ClientKeyData, u.LocationOfOrigin); err != nil {
		return err
	}
	if len(u.ClientCertificateData) > 0 || (len(u.ClientKeyData) > 0 && u.Token == "") {
		leaf, err := certs.CheckPair(u.ClientCertificateData, u.ClientKeyData)
		if err != nil {
			return unusable(op, "%w", err)
		}
		l.warnExpired("the client certificate of user "+name, leaf.NotAfter)
	} else if u.Token == "" && u.Username == "" && l.login == nil {
		if err := l.plugin(op, u, c); err != nil {
			return err
		}
	}
	claims, _ := secret.New(u.Token).Claims() // none where it is no such token
	l.warnExpired("the token of user "+name, claims.ExpiresAt)
	if err := checkImpersonation(op, u); err != nil {
		return err
	}
	if who := actsAs(u); who != "" {
		l.warn("user %s acts as %s, and so does kubemint, but not the result", name, who)
	}
	u.Exec, u.AuthProvider = nil, nil
	return nil
}

// checkToken says what is wrong with a token that cannot be sent, or that is not one.
func checkToken(op string, u *api.AuthInfo, given bool) error {
	const again = "write the kubeconfig again: `kubectl config view --raw --minify --flatten`"
	switch {
	case certs.Omitted([]byte(u.Token)), u.Password == certs.Redacted:
		return fail(op, "its token or password was left out when the kubeconfig was printed").Hint("%s",
			certs.WithoutRaw)
	case u.Token != "" && strings.Trim(u.Token, "*") == "":
		return fail(op, "its token is masked: somebody copied it out of a log").Hint(again)
	case strings.HasPrefix(u.Token, "Bearer "):
		return fail(op, "its token begins with the word Bearer").Hint("leave the word out: a client adds it")
	case given && u.Token == "":
		return fail(op, "its token is not one line of ASCII: it is empty").
			Hint("see whether the step that writes the token has run, and whether its variable was set")
	case given && !oneLine(u.Token):
		return fail(op, "its token is not one line of ASCII").
			Hint("see whether something was pasted along with it: a line break, a quote, a letter of another alphabet")
	}
	return nil
}

// checkImpersonation refuses what no HTTP header can hold.
func checkImpersonation(op string, u *api.AuthInfo) error {
	values := append([]string{u.Impersonate, u.ImpersonateUID}, u.ImpersonateGroups...)
	for _, extra := range u.ImpersonateUserExtra {
		values = append(values, extra...)
	}
	for _, value := range values {
		if strings.ContainsFunc(value, unicode.IsControl) {
			return fail(op, "its as, as-uid, as-groups or as-user-extra has a line break or another control "+
				"character in it").
				Hint("write each name on one line")
		}
	}
	return nil
}

// actsAs is who a user impersonates, "" where it acts as itself.
func actsAs(u *api.AuthInfo) string {
	if u.Impersonate == "" {
		return ""
	}
	who := named(u.Impersonate)
	if len(u.ImpersonateGroups) > 0 {
		who += fmt.Sprintf(" in the groups %s", strings.Trim(fmt.Sprintf("%.20q", u.ImpersonateGroups), "[]"))
	}
	return who
}

// named is a name as an error shows it: quoted, since a line break could forge a workflow command.
func named(name string) string { return strconv.Quote(name[:min(len(name), 128)]) }

// oneLine says whether a token can go into an HTTP header.
func oneLine(bearer string) bool {
	return bearer != "" && !strings.ContainsFunc(bearer, func(r rune) bool { return r <= ' ' || r > '~' })
}

// warnExpired explains the 401 that is about to come. It does not refuse: this machine's clock can be the wrong one.
func (l *loader) warnExpired(what string, end time.Time) {
	if !end.IsZero() && time.Now().After(end) {
		l.warn("%s expired at %s", what, end.UTC().Format(time.RFC3339))
	}
}
