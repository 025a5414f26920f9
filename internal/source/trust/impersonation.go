package trust

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"k8s.io/client-go/tools/clientcmd/api"
)

// CheckImpersonation refuses a user of the workspace that acts as somebody else.
func (p Policy) CheckImpersonation(op string, u *api.AuthInfo, c *api.Cluster) error {
	asUser := u.Impersonate != "" || u.ImpersonateUID != ""
	acts := asUser || len(u.ImpersonateGroups) > 0 || len(u.ImpersonateUserExtra) > 0
	if !acts || p.IsProven(c) || !p.IsPlanted(u.LocationOfOrigin) {
		return nil
	}
	return p.addVouching(refuse(op, "it acts as somebody else (as, as-uid, as-groups, "+
		"as-user-extra), "+
		"in a kubeconfig of the workspace, %s", MayBePlanted), c, "")
}

// CheckHeaders refuses impersonation values that an HTTP header cannot hold.
func CheckHeaders(op string, u *api.AuthInfo) error {
	values := append([]string{u.Impersonate, u.ImpersonateUID}, u.ImpersonateGroups...)
	for _, extra := range u.ImpersonateUserExtra {
		values = append(values, extra...)
	}
	for _, value := range values {
		if strings.ContainsFunc(value, unicode.IsControl) {
			return refuse(op, "its as, as-uid, as-groups or as-user-extra has a line break or "+
				"another control "+
				"character in it").
				Hint("write each name on one line")
		}
	}
	return nil
}

// mostShown bounds how much of a name is shown.
const mostShown = 128

// DescribeImpersonation returns whom a user acts as, "" where it acts as itself.
func DescribeImpersonation(u *api.AuthInfo) string {
	if u.Impersonate == "" {
		return ""
	}
	who := strconv.Quote(u.Impersonate[:min(len(u.Impersonate), mostShown)])
	if len(u.ImpersonateGroups) > 0 {
		groups := strings.Trim(fmt.Sprintf("%.20q", u.ImpersonateGroups), "[]")
		who += " in the groups " + groups
	}
	return who
}
