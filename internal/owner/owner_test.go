package owner_test

import (
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
)

// owned is an object with these marks.
func owned(pairs ...string) kube.Object {
	marks := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		marks[pairs[i]] = pairs[i+1]
	}
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Annotations: marks}}
}

func TestSameOwner(t *testing.T) {
	t.Parallel()
	const dotCom, enterprise = "https://github.com/acme/shop/actions/runs/1", "https://ghe.corp.example/acme/shop/actions/runs/1"
	byID := owner.Marks{Owner: "github:1234", Formerly: []string{"github:acme/shop"}, Run: dotCom}
	byName := owner.Marks{Owner: "github:acme/shop", Run: dotCom}
	onGHE := owner.Marks{
		Owner: "github:1234@ghe.corp.example", Run: enterprise,
		Formerly: []string{"github:acme/shop@ghe.corp.example", "github:acme/shop"},
	}
	for name, tt := range map[string]struct {
		mark owner.Marks
		have kube.Object
		want bool
	}{
		"the id":                               {byID, owned("kubemint/owner", "github:1234"), true},
		"another id":                           {byID, owned("kubemint/owner", "github:12345"), false},
		"the id on another instance":           {byID, owned("kubemint/owner", "github:1234@ghe.corp.example"), false},
		"the public id, seen from an instance": {onGHE, owned("kubemint/owner", "github:1234"), false},
		"the name of old":                      {byID, owned("kubemint/owner", "github:acme/shop", "kubemint/run", dotCom), true},
		"the name of old, no run":              {byID, owned("kubemint/owner", "github:acme/shop"), true},
		"the name of old in another case":      {byID, owned("kubemint/owner", "GitHub:Acme/Shop", "kubemint/run", dotCom), true},
		"the name of old, by an Enterprise":    {byID, owned("kubemint/owner", "github:acme/shop", "kubemint/run", enterprise), false},
		"an Enterprise's, by github.com":       {onGHE, owned("kubemint/owner", "github:acme/shop", "kubemint/run", dotCom), false},
		"an Enterprise's, by itself":           {onGHE, owned("kubemint/owner", "github:acme/shop", "kubemint/run", enterprise), true},
		"an Enterprise's, no run":              {onGHE, owned("kubemint/owner", "github:acme/shop"), false},
		"an Enterprise's, not a run":           {onGHE, owned("kubemint/owner", "github:acme/shop", "kubemint/run", "::x"), false},
		"the server in another case":           {onGHE, owned("kubemint/owner", "github:acme/shop", "kubemint/run", "HTTPS://GHE.corp.example/x"), true},
		"a name before the id":                 {onGHE, owned("kubemint/owner", "github:acme/shop@GHE.corp.example", "kubemint/run", enterprise), true},
		"another repository's name":            {byID, owned("kubemint/owner", "github:acme/shop2"), false},
		"a name, and no id in this run (act)":  {byName, owned("kubemint/owner", "github:Acme/shop"), true},
		"an id, and no id in this run":         {byName, owned("kubemint/owner", "github:1234", "kubemint/owner-name", "acme/shop"), false},
		"the readable name proves nothing":     {byID, owned("kubemint/owner", "github:99", "kubemint/owner-name", "acme/shop"), false},
		"none, by an owner":                    {byID, owned(), false},
		"none, by none":                        {owner.Marks{}, owned("kubemint/job", "x"), true},
		"an owner, by none":                    {owner.Marks{}, owned("kubemint/owner", "github:1234"), false},
		"an empty name of old":                 {owner.Marks{Formerly: []string{""}}, owned("kubemint/owner", "x"), false},
		"a name of old, by none":               {owner.Marks{Formerly: []string{"github:acme/shop"}}, owned("kubemint/owner", "github:acme/shop"), false},
		"none, by an empty name of old":        {owner.Marks{Owner: "github:1", Formerly: []string{""}}, owned(), false},
		"a line break behind the owner":        {byID, owned("kubemint/owner", "github:1234\n"), false},
	} {
		if have := owner.Same(tt.mark, tt.have); have != tt.want {
			t.Errorf("%s: %t", name, have)
		}
	}
}

func TestOwnerIsDescribedByNameAndID(t *testing.T) {
	t.Parallel()
	for want, have := range map[string]kube.Object{
		"acme/shop (github:1234)": owned("kubemint/owner", "github:1234", "kubemint/owner-name", "acme/shop"),
		"github:acme/shop":        owned("kubemint/owner", "github:acme/shop", "kubemint/owner-name", "acme/shop"),
		"github:99":               owned("kubemint/owner", "github:99"),
		"":                        owned("kubemint/owner-name", "acme/shop"),
	} {
		if got := owner.Describe(have); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	long := owned("kubemint/owner", strings.Repeat("x", 1<<18), "kubemint/owner-name", strings.Repeat("y", 1<<18))
	if text := owner.Describe(long); len(text) > 300 {
		t.Errorf("%d bytes of an annotation in a message", len(text))
	}
}
