package workspace_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/workspace"
	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// directory is a temporary one without a link in its path.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func makeDirs(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	makeDirs(t, filepath.Dir(path))
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := directory(t)
	makeDirs(t, root+"/repo/.git", root+"/repo/deep/er", root+"/bare/sub/home", root+"/repo/planted/.git", root+"/named/deep", root+"/hg/.hg/x", root+"/hg/sub")
	writeFile(t, root+"/repo/module/.git", "gitdir: ../.git/modules/module\n")
	writeFile(t, root+"/worktree/.git", "gitdir: /elsewhere/.git/worktrees/worktree\n")
	makeDirs(t, root+"/repo/module/inner/.git", root+"/worktree/deep", root+"/broken/deep")
	link(t, "/nowhere", root+"/broken/.git")
	link(t, root+"/repo/deep", root+"/link")
	link(t, root+"/bare", root+"/bare-link")

	for name, c := range map[string]struct {
		named     []string
		dir, home string
		want      workspace.Dirs
	}{
		"the top of a checkout":                    {dir: "/repo", want: workspace.Dirs{"/repo"}},
		"a subdirectory":                           {dir: "/repo/deep/er", want: workspace.Dirs{"/repo"}},
		"a submodule":                              {dir: "/repo/module", want: workspace.Dirs{"/repo"}},
		"a repository in a submodule":              {dir: "/repo/module/inner", want: workspace.Dirs{"/repo"}},
		"a .git that a pull request planted":       {dir: "/repo/planted", want: workspace.Dirs{"/repo"}},
		"a linked worktree":                        {dir: "/worktree/deep", want: workspace.Dirs{"/worktree"}},
		"a .git that is a broken link":             {dir: "/broken/deep", want: workspace.Dirs{"/broken"}},
		"Mercurial":                                {dir: "/hg/sub", want: workspace.Dirs{"/hg"}},
		"a link to a subdirectory":                 {dir: "/link", want: workspace.Dirs{"/repo"}},
		"no repository":                            {dir: "/bare/sub", want: workspace.Dirs{"/bare/sub"}},
		"no repository, a link":                    {dir: "/bare-link", want: workspace.Dirs{"/bare-link"}},
		"HOME inside":                              {dir: "/bare/sub", home: "/bare/sub/home", want: workspace.Dirs{"/bare/sub"}},
		"HOME far inside":                          {dir: "/bare", home: "/bare/sub/home", want: workspace.Dirs{"/bare"}},
		"HOME around":                              {dir: "/bare/sub", home: "/bare", want: workspace.Dirs{"/bare/sub"}},
		"HOME itself":                              {dir: "/bare", home: "/bare"},
		"HOME itself, by another name":             {dir: "/bare-link", home: "/bare"},
		"HOME itself, with a slash":                {dir: "/bare", home: "/bare/"},
		"HOME is a checkout":                       {dir: "/repo", home: "/repo", want: workspace.Dirs{"/repo"}},
		"HOME inside a checkout":                   {dir: "/repo/deep", home: "/repo/deep", want: workspace.Dirs{"/repo"}},
		"named":                                    {named: []string{"/named"}, dir: "/named/deep", want: workspace.Dirs{"/named"}},
		"named twice, and written otherwise":       {named: []string{"/named", "/named/"}, dir: "/named", want: workspace.Dirs{"/named"}},
		"named, and HOME":                          {named: []string{"/named"}, dir: "/named", home: "/named", want: workspace.Dirs{"/named"}},
		"named, working elsewhere":                 {named: []string{"/named"}, dir: "/bare", want: workspace.Dirs{"/named"}},
		"named, working in another checkout":       {named: []string{"/named"}, dir: "/repo/deep", want: workspace.Dirs{"/named", "/repo"}},
		"named, a checkout around it":              {named: []string{"/repo/deep"}, dir: "/repo/deep", want: workspace.Dirs{"/repo/deep", "/repo"}},
		"several are named":                        {named: []string{"/named", "/bare"}, dir: "/bare", want: workspace.Dirs{"/named", "/bare"}},
		"what is named is not there":               {named: []string{"/host"}, dir: "/bare/sub", want: workspace.Dirs{"/host", "/bare/sub"}},
		"what is named is not there, and HOME":     {named: []string{"/host"}, dir: "/bare", home: "/bare", want: workspace.Dirs{"/host"}},
		"what is named is not there, one of them":  {named: []string{"/host", "/named"}, dir: "/bare", want: workspace.Dirs{"/host", "/named"}},
		"what is named is not there, a repository": {named: []string{"/host"}, dir: "/repo/deep", want: workspace.Dirs{"/host", "/repo"}},
	} {
		at := func(path string) string {
			if path == "" {
				return ""
			}
			return root + path
		}
		var named []string
		for _, dir := range c.named {
			named = append(named, at(dir))
		}
		var want workspace.Dirs
		for _, dir := range c.want {
			want = append(want, at(dir))
		}
		if diff := cmp.Diff(want, workspace.Find(named, at(c.dir), at(c.home))); diff != "" {
			t.Errorf("%s (-want +have):\n%s", name, diff)
		}
	}
	for name, have := range map[string]workspace.Dirs{
		"the root directory": workspace.Find(nil, "/", ""),
		"the root is named":  workspace.Find([]string{"/"}, "/", "/root"),
		"a relative path":    workspace.Find([]string{"sub", ""}, "/", ""),
	} {
		if have != nil {
			t.Errorf("%s: %q", name, have)
		}
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	root := directory(t)
	work, home := root+"/work", root+"/home"
	makeDirs(t, work+"/sub", home+"/.kube")
	writeFile(t, home+"/.kube/config", "")
	writeFile(t, work+"/kubeconfig", "")
	link(t, work, root+"/work-link")
	link(t, home+"/.kube/config", work+"/out")       // in the checkout, leads out
	link(t, work+"/kubeconfig", home+"/in")          // leads into it
	link(t, work+"/out", home+"/through")            // leads out again, by a link that a pull request wrote
	link(t, "../home/.kube", work+"/dir")            // a directory
	link(t, work+"/dir", home+"/dir")                //
	link(t, work+"/not-there-yet", home+"/dangling") // a file that a later step would write
	link(t, home+"/circle", home+"/circle")
	for path, want := range map[string]bool{
		work:                          true,
		work + "/kubeconfig":          true,
		work + "/sub/../kubeconfig":   true,
		work + "/not/there/yet":       true,
		work + "/out":                 true,
		work + "/dir/config":          true,
		root + "/work-link":           true,
		root + "/work-link/x/y":       true,
		home + "/in":                  true,
		home + "/through":             true,
		home + "/dir/config":          true,
		home + "/dir/not-there":       true,
		home + "/dangling":            true,
		home + "/.kube/config":        false,
		home + "/.kube/not/there":     false,
		work + ".tmp/KUBECONFIG":      false,
		work + "/../home/.kube/x":     false,
		home + "/circle":              false,
		root:                          false,
		root + "/Work/../work-link/.": true,
		"/":                           false,
	} {
		if have := (workspace.Dirs{work}).Hold(path); have != want {
			t.Errorf("%s: %t", path, have)
		}
		if have := (workspace.Dirs{root + "/other", root + "/work-link"}).Hold(path); have != want && path != work+".tmp/KUBECONFIG" {
			t.Errorf("%s, by a link as the checkout: %t", path, have)
		}
		if (workspace.Dirs{}).Hold(path) {
			t.Errorf("%s lies in no checkout", path)
		}
	}
}
