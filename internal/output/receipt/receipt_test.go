package receipt_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/output/receipt"
)

var account = receipt.Object{Kind: "ServiceAccount", Namespace: "shop", Name: "kubemint"}

func full() *receipt.Receipt {
	return &receipt.Receipt{
		Version: receipt.Version, Server: "https://cluster:6443", Fingerprint: "abc",
		Account: account,
		Source:  receipt.Source{Kind: receipt.KindFile, Paths: []string{"/a b/config", "/c"}, Context: "prod\n<&>"},
		Made: receipt.Made{
			Leases: []receipt.Object{
				{Kind: "Lease", Namespace: "shop", Name: "kubemint-kubemint-abc", UID: "11-22"}, {Kind: "Lease", Namespace: "shop", Name: "kubemint-kubemint-def"},
			},
			Objects: []receipt.Object{{Kind: "ServiceAccount", Namespace: "shop", Name: "once"}, {Kind: "ClusterRole", Name: "once"}},
			Output:  "/work/ü/kubeconfig", EnvFile: true, Dirs: []string{"/work", "/work/ü"},
			TokenHash: "5e8f",
		}, ExpiresAt: "2026-11-22T04:00:00Z", Keep: true,
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]*receipt.Receipt{
		"full":  full(),
		"least": {Version: receipt.Version, Server: "https://cluster", Account: account, Made: receipt.Made{Output: "kubeconfig"}},
	} {
		data, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(data, "\r\n") { // the step state and GitLab's readers go by lines
			t.Errorf("%s: more than one line: %q", name, data)
		}
		have, err := receipt.Decode(append(data, '\n'))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-want +have):\n%s", name, diff)
		}
	}
}

// The names are read by versions of kubemint to come: a change of them is a new version.
func TestFormat(t *testing.T) {
	t.Parallel()
	data, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal([]byte(`{
		"version": 2, "server": "https://cluster:6443", "caFingerprint": "abc",
		"account": {"kind": "ServiceAccount", "namespace": "shop", "name": "kubemint"},
		"source": {"kind": "file", "paths": ["/a b/config", "/c"], "context": "prod\n<&>"},
		"leases": [
			{"kind": "Lease", "namespace": "shop", "name": "kubemint-kubemint-abc", "uid": "11-22"},
			{"kind": "Lease", "namespace": "shop", "name": "kubemint-kubemint-def"}
		],
		"objects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "once"}, {"kind": "ClusterRole", "name": "once"}],
		"output": "/work/ü/kubeconfig", "envFile": true, "dirs": ["/work", "/work/ü"],
		"tokenSHA256": "5e8f", "expiresAt": "2026-11-22T04:00:00Z", "keep": true
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
}

// Half understood, a record could delete less than it promises, or something else.
func TestDecodeIsStrict(t *testing.T) {
	t.Parallel()
	lease := func(kind, namespace, name string) string {
		return `{"version":2,"server":"s","account":{"kind":"ServiceAccount","namespace":"shop","name":"kubemint"},"source":{"kind":"file"},"output":"o","leases":[{"kind":"` + kind + `","namespace":"` + namespace + `","name":"` + name + `"}]}`
	}
	for name, c := range map[string]struct{ data, want string }{
		"nothing":                        {"", "damaged"},
		"cut off":                        {`{"version":2,"server":"s","out`, "damaged"},
		"another thing":                  {"apiVersion: v1\nkind: Config\n", "damaged"},
		"a list":                         {"[]", "damaged"},
		"null":                           {"null", "version 0"},
		"a field of another type":        {`{"version":"1"}`, "damaged"},
		"an unknown field":               {`{"version":2,"server":"s","output":"o","delete":"/"}`, "damaged"},
		"an unknown field inside":        {`{"version":2,"server":"s","output":"o","source":{"token":"x"}}`, "damaged"},
		"something after it":             {`{"version":2,"server":"s","output":"o"} {}`, "damaged"},
		"a brace after it":               {`{"version":2,"server":"s","output":"o"}}`, "damaged"},
		"no version":                     {`{"server":"s","output":"o"}`, "version 0"},
		"an earlier version":             {`{"version":1,"server":"s","output":"o"}`, "version 1, but this kubemint reads version 2"},
		"no server":                      {`{"version":2,"output":"o"}`, "incomplete"},
		"no output":                      {`{"version":2,"server":"s"}`, "incomplete"},
		"not a time":                     {`{"version":2,"server":"s","output":"o","expiresAt":"soon\n::error::"}`, "expiresAt"},
		"a lease of another kind":        {lease("Secret", "shop", "kubemint-x"), "cannot be one"},
		"a lease without a namespace":    {lease("Lease", "", "kubemint-x"), "cannot be one"},
		"a lease without a name":         {lease("Lease", "shop", ""), "cannot be one"},
		"a path in place of a namespace": {lease("Lease", "../../kube-system", "kubemint-x"), "cannot be one"},
		"a path in place of a name":      {lease("Lease", "shop", "kubemint-x/../y"), "cannot be one"},
		"a command in place of a name":   {lease("Lease", "shop", "kubemint-x; rm -rf ~"), "cannot be one"},
		"a line break in a name":         {lease("Lease", "shop", `kubemint-x\n::add-mask::a`), "cannot be one"},
		"no account":                     {`{"version":2,"server":"s","output":"o"}`, "names no ServiceAccount"},
		"an account of another kind":     {`{"version":2,"server":"s","output":"o","account":{"kind":"Lease","namespace":"shop","name":"x"}}`, "names no ServiceAccount"},
		"an account that is a path":      {`{"version":2,"server":"s","output":"o","account":{"kind":"ServiceAccount","namespace":"..","name":"x"}}`, "names no ServiceAccount"},
		"an env file that is a path":     {`{"version":2,"server":"s","output":"o","envFile":"/any/file"}`, "damaged"},
		"too long":                       {`{"version":2,"server":"s","output":"` + strings.Repeat("o", 1<<20) + `"}`, "longer than 1048576 bytes"},
	} {
		r, err := receipt.Decode([]byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) || r != nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n") {
			t.Errorf("%s: the error repeats the content: %q", name, err)
		}
	}
}

func TestReadTakesTheFileBesideTheOutput(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "kubeconfig")
	if _, err := receipt.Read(output); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no receipt: %v", err)
	}
	data, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(output+".receipt", data, 0o600); err != nil {
		t.Fatal(err)
	}
	have, err := receipt.Read(output)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), have); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
	for name, content := range map[string]string{"damaged": "{", "longer than 1048576 bytes": strings.Repeat(" ", 3<<20)} {
		if err := os.WriteFile(output+".receipt", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := receipt.Read(output); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), output+".receipt") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Remove(output + ".receipt"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(output+".receipt", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := receipt.Read(output); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory in its place: %v", err)
	}
}

// FuzzDecode: whatever is read, Decode never panics, and what it accepts is encoded and read again as the same.
func FuzzDecode(f *testing.F) {
	data, err := full().Encode()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(data), "", "{}", "null", `{"version":2,"server":"s","account":{"kind":"ServiceAccount","namespace":"shop","name":"kubemint"},"output":"o"}`, `{"version":2,"server":"s","output":"o"}{}`,
		`{"version":2,"account":{"kind":"ServiceAccount","namespace":"shop","name":"kubemint"},"server":"\u2028\ud800","output":"\\","leases":[{"kind":"Lease","namespace":"a","name":"b"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := receipt.Decode(data)
		if err != nil {
			return
		}
		again, err := first.Encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := receipt.Decode(again)
		if err != nil {
			t.Fatalf("what was accepted is refused when it is written again: %v", err)
		}
		third, err := second.Encode()
		if err != nil || !bytes.Equal(again, third) {
			t.Errorf("it changes by being written (%v):\n%s\n%s", err, again, third)
		}
		if bytes.ContainsAny(again, "\r\n") {
			t.Errorf("more than one line: %q", again)
		}
		for _, lease := range second.Leases {
			if strings.ContainsAny(lease.Namespace+lease.Name, " /;\n\x1b") {
				t.Errorf("a lease that cannot be one: %q", lease)
			}
		}
	})
}

// One environment variable takes 128 KiB, and a record of a thousand ephemeral objects more.
func TestSmall(t *testing.T) {
	t.Parallel()
	record := &receipt.Receipt{Made: receipt.Made{Output: "/o", Leases: []receipt.Object{{Kind: "Lease", Namespace: "shop", Name: "kubemint-a-b"}}}}
	for range 400 {
		record.Objects = append(record.Objects, receipt.Object{Kind: "Role", Namespace: "shop", Name: strings.Repeat("n", 60), UID: "u"})
	}
	if record.Small() != record {
		t.Error("a record that fits is cut")
	}
	for range 600 {
		record.Objects = append(record.Objects, record.Objects[0])
	}
	small := record.Small()
	data, err := small.Encode()
	if err != nil || len(data) > 1<<10 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if !small.Elsewhere || small.Objects != nil || len(small.Leases) != 1 || len(record.Objects) != 1000 || record.Elsewhere {
		t.Errorf("%+v", small)
	}
}
