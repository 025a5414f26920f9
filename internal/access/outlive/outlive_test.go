package outlive_test

import (
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/outlive"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// What Warn says the credential can do.
const (
	mintsTokens  = "mint tokens for itself (create serviceaccounts/token)"
	makesSecrets = "make a token Secret for itself and read it (create and get secrets)"
	changesLease = "change its own lease or Secret (update or patch them, or delete leases)"
	startsPods   = "start pods that run as it (create or change pods, deployments and such)"
)

var marks = owner.Marks{Owner: "github:acme/shop", Job: "deploy", Run: "17"}

// declared is access of the ServiceAccount bots/ci, changed.
func declared(change func(a *config.Access)) config.Access {
	a := config.Access{
		ServiceAccount: types.NamespacedName{Namespace: "bots", Name: "ci"},
		Namespaces:     []string{"shop", "web"}, Provisioning: config.Provisioning{CreateServiceAccount: true},
	}
	change(&a)
	return a
}

// toCluster grants at cluster scope what was to be granted in the namespaces.
func toCluster(a *config.Access) {
	a.Cluster = a.Namespaced
	a.Namespaced = config.Grants{}
}

func parsed(t *testing.T, text string) syntax.Scoped {
	t.Helper()
	scoped, err := syntax.ParseRules(text)
	if err != nil {
		t.Fatal(err)
	}
	return scoped
}

// The account is bots/ci, and the rules are granted in bots too.
func TestWarn_Rules(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"get,list,watch *.*; create configmaps":       nil,
		"create serviceaccounts/token":                {mintsTokens},
		"create serviceaccounts/token ci,x":           {mintsTokens},
		"create serviceaccounts/token x":              nil,
		"create serviceaccounts":                      nil,
		"* *.*":                                       {mintsTokens, makesSecrets, changesLease, startsPods, "impersonate others (impersonate serviceaccounts)"},
		"create */token":                              {mintsTokens},
		"create secrets":                              nil,
		"create secrets; watch secrets":               {makesSecrets},
		"create secrets; get secrets app":             {makesSecrets}, // it may choose that name
		"create,get secrets app":                      nil,            // a POST has no name
		"create,get secrets app; patch secrets other": nil,
		"create,patch secrets app; get secrets other": nil,
		"create,patch,get secrets app":                {makesSecrets},
		"update secrets":                              {changesLease},
		"delete secrets":                              nil, // which ends the token
		"update secrets app; delete,patch leases app": nil,
		"delete leases":                               {changesLease},
		"deletecollection *.coordination.k8s.io":      {changesLease},
		"create,get leases":                           nil,
		"create pods":                                 {startsPods},
		"patch deployments web":                       {startsPods},
		"create jobs; get,delete pods":                {startsPods},
		"patch jobs,pods; create pods/exec":           nil, // their templates cannot be changed
		"update cronjobs":                             {startsPods},
		"impersonate serviceaccounts":                 {"impersonate others (impersonate serviceaccounts)"},
		"impersonate users,groups":                    nil, // in a namespace it grants nothing
		"cluster impersonate users,groups":            {"impersonate others (impersonate users, groups)"},
		"cluster impersonate:user-info users.*":       {"impersonate others (impersonate users)"},
		"cluster * serviceaccounts.*":                 {"impersonate others (impersonate serviceaccounts)"},
		"cluster create serviceaccounts/token":        {mintsTokens},
		"get pods; cluster get,list nodes,namespaces": nil,
		"cluster post /api/*":                         nil,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			scoped := parsed(t, text)
			d := access.Desire(declared(func(a *config.Access) {
				a.Namespaces = []string{"shop", "bots"}
				a.Namespaced.Rules = scoped.Rules
				a.Cluster.Rules = scoped.Cluster
			}), marks)
			said := outlive.Warn(d, access.Observed{})
			wanted := "from namespace bots, where its ServiceAccount is, the credential can " + strings.Join(want, ", ") + ";"
			if (said == "") != (want == nil) || (want != nil && !strings.HasPrefix(said, wanted)) {
				t.Errorf("got  %q\nwant %q", said, wanted)
			}
		})
	}
}

func TestWarn_Places(t *testing.T) {
	t.Parallel()
	const ephemeral = "or set `ephemeral: true`: that account is deleted at the end, and with it all its tokens"
	apart := func(account string) string {
		return "give the account a namespace of its own (`service_account: " + account + "`); " + ephemeral
	}
	const within = "grant it in namespaces, and not in that of the account; " + ephemeral
	const leaveOut = "leave `impersonate` at cluster scope out of what is declared"
	role := config.Role{Kind: "ClusterRole", Name: "edit"}
	edit := &rbacv1.ClusterRole{Rules: parsed(t, "create,patch,get secrets; impersonate serviceaccounts; create serviceaccounts/token").Rules}
	bound := access.Observed{Named: map[kube.Ref]kube.Object{{Kind: "ClusterRole", Name: "edit"}: edit}}
	in := func(namespaces ...string) func(a *config.Access) {
		return func(a *config.Access) { a.Namespaces, a.Namespaced.Roles = namespaces, []config.Role{role} }
	}
	for name, tt := range map[string]struct {
		declared func(a *config.Access)
		observed access.Observed
		want     string // what the warning lists; "" for no warning
	}{
		"edit in the account's namespace": {in("bots"), bound, apart("kubemint/bots-ci")},
		"edit there too":                  {in("shop", "bots"), bound, apart("kubemint/bots-ci")},
		"edit elsewhere":                  {in("shop", "web"), bound, ""},
		"edit that cannot be read":        {in("bots"), access.Observed{}, ""},
		"edit at cluster scope":           {func(a *config.Access) { in("shop")(a); toCluster(a) }, bound, within + "; " + leaveOut},
		"edit in a namespace kubemint":    {func(a *config.Access) { in("kubemint")(a); a.ServiceAccount.Namespace = "kubemint" }, bound, apart("kubemint-accounts/kubemint-ci")},
		"edit in both":                    {in("bots", "kubemint"), bound, apart("kubemint-accounts/bots-ci")},
		"a Role of the other namespace":   {func(a *config.Access) { in("shop")(a); a.Namespaced.Roles[0].Kind = "Role" }, bound, ""},
		"no grant":                        {func(a *config.Access) { a.Namespaces = []string{"bots"} }, bound, ""},
		"rules elsewhere":                 {func(a *config.Access) { a.Namespaced.Rules = edit.Rules }, access.Observed{}, ""},
		"rules at cluster scope":          {func(a *config.Access) { a.Cluster.Rules = parsed(t, "update secrets").Rules }, access.Observed{}, within},
		"impersonation at cluster scope":  {func(a *config.Access) { a.Cluster.Rules = parsed(t, "impersonate users").Rules }, access.Observed{}, leaveOut},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := outlive.Warn(access.Desire(declared(tt.declared), marks), tt.observed)
			if (said == "") != (tt.want == "") || !strings.HasSuffix(said, tt.want) {
				t.Errorf("got  %q\nwant %q", said, tt.want)
			}
		})
	}
}

// Its account is deleted: only what it does under another name outlives it.
func TestWarn_Ephemeral(t *testing.T) {
	t.Parallel()
	passing := marks
	passing.ExpiresAt = time.Unix(1, 0)
	for text, want := range map[string]bool{
		"* *.*": false, "impersonate serviceaccounts": false, "cluster create pods,serviceaccounts/token": false,
		"cluster impersonate users": true, "cluster impersonate serviceaccounts": true, "cluster * *.*": true,
	} {
		scoped := parsed(t, text)
		d := access.Desire(declared(func(a *config.Access) {
			a.Namespaces, a.Ephemeral = []string{"bots"}, true
			a.Namespaced.Rules = scoped.Rules
			a.Cluster.Rules = scoped.Cluster
		}), passing)
		said := outlive.Warn(d, access.Observed{})
		if (said != "") != want || strings.Contains(said, "ephemeral") {
			t.Errorf("%s: %q", text, said)
		}
	}
}
