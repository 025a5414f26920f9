//go:build unix

package workspace_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/workspace"
)

// tree makes a workspace W next to other files, and returns the directory of both. A value that begins with -> is a link.
func tree(t *testing.T, entries map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range entries {
		path = filepath.Join(dir, path)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if target, link := strings.CutPrefix(content, "->"); link {
			err = errors.Join(err, os.Symlink(strings.ReplaceAll(target, "TOP", dir), path))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(content), 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFollow(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"W/real/file": "x", "W/rel": "->real", "W/abs": "->TOP/W/real", "W/out": "->..", "W/real/up": "->../rel/./file",
		"other/file": "x", "other/link": "->file", "in": "->W", "to-link": "->W/rel", "W/gone": "->no/such",
		"W/back": "->TOP/other/../in/real",
	})
	for path, want := range map[string]workspace.Trail{
		"W/real/file":       {Path: "W/real/file"},
		"W/rel/file":        {Path: "W/real/file", Links: []string{"W/rel"}},
		"W/abs/file":        {Path: "W/real/file", Links: []string{"W/abs"}},
		"W/real/up":         {Path: "W/real/file", Links: []string{"W/real/up", "W/rel"}},
		"W/out/other/file":  {Path: "other/file", Links: []string{"W/out"}},
		"W/out/W/rel/x":     {Path: "W/real/x", Links: []string{"W/out", "W/rel"}},
		"W/gone/config":     {Path: "W/no/such/config", Links: []string{"W/gone"}},
		"W/not/there/yet":   {Path: "W/not/there/yet"},
		"W/back/file":       {Path: "W/real/file", Links: []string{"W/back"}},
		"other/link":        {Path: "other/file"},
		"in/real/file":      {Path: "W/real/file"},
		"in/rel/file":       {Path: "W/real/file", Links: []string{"W/rel"}},
		"to-link/file":      {Path: "W/real/file", Links: []string{"W/rel"}},
		"other/../W/rel":    {Path: "W/real", Links: []string{"W/rel"}},
		"W/real/../rel//./": {Path: "W/real", Links: []string{"W/rel"}},
	} {
		for _, name := range []string{"W", "in"} { // by its name, or by a link
			got, err := workspace.Dirs{filepath.Join(dir, name)}.Follow(dir + "/" + path)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			got.Path = strings.TrimPrefix(got.Path, dir+"/")
			for i := range got.Links {
				got.Links[i] = strings.TrimPrefix(got.Links[i], dir+"/")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s in the workspace %s: %s", path, name, diff)
			}
		}
	}
}

// Without a workspace every link is the user's own.
func TestFollow_NoWorkspace(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"W/real": "x", "W/link": "->real"})
	for _, none := range []workspace.Dirs{nil, {dir + "/not-there"}} {
		trail, err := none.Follow(dir + "/W/link")
		if err != nil || len(trail.Links) > 0 {
			t.Error(trail, err)
		}
		if data, err := none.ReadFile(dir+"/W/link", 10); string(data) != "x" {
			t.Error(string(data), err)
		}
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"W/file": "inside", "W/in": "->file", "W/out": "->../secret", "W/dir/x": "", "W/round": "->round",
		"secret": "secret", "mine": "->secret", "via": "->W/out", "W/dirout": "->..",
	})
	within := workspace.Dirs{dir + "/W"}
	for path, want := range map[string]string{"W/file": "inside", "W/in": "inside", "secret": "secret", "mine": "secret"} {
		if data, err := within.ReadFile(filepath.Join(dir, path), 10); string(data) != want || err != nil {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
	for path, want := range map[string]string{
		"W/out": `/W/out" leads out of the workspace`, "via": `/W/out" leads out of the workspace`,
		"W/dirout/secret": `/W/dirout" leads out of the workspace`, "W/round": "too many levels of symbolic links",
		"W/dir": "it is not a regular file", "W/none": "no such file or directory", "W/file/x": "not a directory",
	} {
		data, err := within.ReadFile(filepath.Join(dir, path), 10)
		if err == nil || !strings.Contains(err.Error(), want) || len(data) > 0 {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
	if _, err := within.ReadFile(dir+"/W/file", 5); err == nil || !strings.Contains(err.Error(), "longer than 5 bytes") {
		t.Error(err)
	}
}
