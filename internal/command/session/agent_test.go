package session

import (
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/owner"
)

func TestFormatUserAgent(t *testing.T) {
	t.Parallel()
	github := owner.Marks{
		Owner: "github:1234", OwnerName: "acme/shop", Job: "deploy/release",
		Run: "https://github.com/acme/shop/actions/runs/42",
	}
	for name, tt := range map[string]struct {
		marks owner.Marks
		want  string
	}{
		"GitHub":                 {github, "kubemint/v1 (github:acme/shop run 42 job deploy/release)"},
		"nobody is known":        {owner.Marks{Run: "7", Job: "x"}, "kubemint/v1"},
		"a server of one's own":  {owner.Marks{Owner: "gitlab:7@gitlab.example.com", OwnerName: "group/shop", Run: "https://gitlab.example.com/group/shop/-/jobs/7", Job: "deploy"}, "kubemint/v1 (gitlab:group/shop@gitlab.example.com run 7 job deploy)"},
		"Jenkins":                {owner.Marks{Owner: "jenkins:team/shop", OwnerName: "team/shop", Run: "https://ci/job/team/job/shop/12/"}, "kubemint/v1 (jenkins:team/shop run 12)"},
		"Azure":                  {owner.Marks{Owner: "azure:1", OwnerName: "acme/Web Shop", Run: "https://dev.azure.com/acme/Web%20Shop/_build/results?buildId=7"}, "kubemint/v1 (azure:acme/Web_Shop run 7)"},
		"the input owner":        {owner.Marks{Owner: "team shop", Run: "https://github.com/acme/shop/actions/runs/42"}, "kubemint/v1 (team_shop run 42)"},
		"a name that is hashed":  {owner.Marks{Owner: "sha256:ab", OwnerName: "acme/shop"}, "kubemint/v1 (sha256:ab)"},
		"what ends a comment":    {owner.Marks{Owner: "a", Job: "x) run (1\\"}, "kubemint/v1 (a job x__run__1_)"},
		"a header of its own":    {owner.Marks{Owner: "a", Job: "x\r\nAuthorization: y"}, "kubemint/v1 (a job x__Authorization:_y)"},
		"another run in the job": {owner.Marks{Owner: "a", Job: "x run 43"}, "kubemint/v1 (a job x_run_43)"},
		"other scripts":          {owner.Marks{Owner: "a", Job: "d\u00e9ploiement\u202e"}, "kubemint/v1 (a job d_ploiement_)"},
		"only a blank":           {owner.Marks{Owner: "a", Job: " "}, "kubemint/v1 (a)"},
	} {
		if have := formatUserAgent("v1", tt.marks); have != tt.want {
			t.Errorf("%s: %s, want %s", name, have, tt.want)
		}
	}
}

func TestFormatUserAgent_Bounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	agent := formatUserAgent(long, owner.Marks{Owner: long, OwnerName: long, Run: long, Job: long})
	if len(agent) > 200 || !strings.HasSuffix(agent, "x)") || !strings.Contains(agent, " run x") {
		t.Errorf("%d bytes: %s", len(agent), agent)
	}
}
