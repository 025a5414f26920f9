package form

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

const whole = "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: \"https://a\"}}]\n" +
	"users: [{name: a, user: {token: \"sesame\"}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"

func code(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func wide(text string, order binary.ByteOrder, mark bool) string {
	var data []byte
	units := utf16.Encode([]rune(text))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	for _, unit := range units {
		pair := make([]byte, 2)
		order.PutUint16(pair, unit)
		data = append(data, pair...)
	}
	return string(data)
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	data, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestUnwrap_WhatIsCertain(t *testing.T) {
	t.Parallel()
	crlf := strings.ReplaceAll(whole, "\n", "\r\n")
	for name, c := range map[string]struct{ given, want string }{
		"unchanged":                   {whole, whole},
		"base64":                      {code(whole), whole},
		"base64 of a file":            {code(whole) + "\n", whole},
		"base64 in wrapped lines":     {code(whole)[:64] + "\n" + code(whole)[64:], whole},
		"base64 with Windows' breaks": {code(whole)[:76] + "\r\n" + code(whole)[76:] + "\r\n", whole},
		"base64 without its end":      {strings.TrimRight(code(whole), "="), whole},
		"base64 for a URL":            {strings.NewReplacer("+", "-", "/", "_").Replace(code(whole)), whole},
		"base64 twice":                {code(code(whole)), whole},
		"base64 twice, with breaks":   {code(code(whole)+"\n") + "\n", whole},
		"base64 three times":          {code(code(code(whole))), whole},
		"double quotes":               {`"` + code(whole) + `"`, whole},
		"single quotes":               {"'" + code(whole) + "'\n", whole},
		"quotes inside base64":        {code(`"` + code(whole) + `"`), whole},
		"YAML in single quotes":       {"'" + whole + "'", whole},
		"YAML in double quotes":       {`"` + whole + `"`, whole},
		"a JSON string":               {quoted(t, whole), whole},
		"a JSON string of base64":     {quoted(t, code(whole)), whole},
		"UTF-16, little":              {wide(whole, binary.LittleEndian, true), whole},
		"UTF-16, big":                 {wide(whole, binary.BigEndian, true), whole},
		"UTF-16 without a mark":       {wide(whole, binary.LittleEndian, false), whole},
		"UTF-16, big, without a mark": {wide(whole, binary.BigEndian, false), whole},
		"base64 of UTF-16":            {code(wide(whole, binary.LittleEndian, true)), whole},
		"base64 of UTF-16, no mark":   {code(wide(whole, binary.LittleEndian, false)), whole},
		"UTF-16 of base64":            {wide(code(whole)+"\r\n", binary.LittleEndian, true), whole},
		"JSON":                        {code(`{"kind": "Config"}`), `{"kind": "Config"}`},
		"Windows' line breaks":        {code(crlf), crlf},
		"an indented block":           {"  a: 1\n  b: 2\n", "  a: 1\n  b: 2\n"},
		"begins and ends with quotes": {"\"apiVersion\": \"v1\"\n\"current-context\": \"a\"", "\"apiVersion\": \"v1\"\n\"current-context\": \"a\""},
		"a word":                      {"kubeconfig", "kubeconfig"},
		"a path that is base64":       {"/home/runner/work/temp/kubeconfig", "/home/runner/work/temp/kubeconfig"},
		"nothing":                     {"", ""},
	} {
		if diff := cmp.Diff(c.want, string(Unwrap([]byte(c.given)))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if c.given != c.want && !IsContent(c.given) {
			t.Errorf("%s is taken for a path", name)
		}
	}
}

// Each mistake is named, and its remedy has the command that mends it. None of them shows the content.
func TestRecognise_NamesWhatIsThere(t *testing.T) {
	t.Parallel()
	reached := map[string]bool{}
	const jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzZXNhbWUifQ.c2VzYW1l"
	for name, c := range map[string]struct{ given, cause, remedy string }{
		"gzip":                       {"\x1f\x8b\x08sesame", "it is gzip", "gunzip"},
		"gzip as base64":             {code("\x1f\x8b\x08\x00sesame-sesame"), "it is gzip", "gunzip"},
		"zip":                        {"PK\x03\x04sesame", "it is a zip archive", "unzip -p"},
		"git-crypt":                  {"\x00GITCRYPT\x00sesame", "it is encrypted by git-crypt", "git-crypt unlock"},
		"Ansible Vault":              {"$ANSIBLE_VAULT;1.1;AES256\n6162\n", "it is encrypted by Ansible Vault", "ansible-vault decrypt"},
		"Ansible Vault as base64":    {code("$ANSIBLE_VAULT;1.1;AES256\n61:62-\n"), "it is encrypted by Ansible Vault", "ansible-vault decrypt"},
		"SOPS":                       {"users:\n- name: ENC[AES256_GCM,data:sesame]\nsops: {}\n", "it is encrypted by SOPS", "sops --decrypt"},
		"age":                        {"-----BEGIN AGE ENCRYPTED FILE-----\nsesame", "it is encrypted by age", "age --decrypt"},
		"age, binary":                {"age-encryption.org/v1\nsesame", "it is encrypted by age", "age --decrypt"},
		"PGP":                        {"-----BEGIN PGP MESSAGE-----\nsesame", "it is encrypted by PGP", "gpg --decrypt"},
		"Vault's transit":            {"vault:v1:sesame", "it is encrypted by Vault's transit engine", "transit/decrypt"},
		"Git LFS":                    {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a pointer of Git LFS", "git lfs pull"},
		"a page":                     {"<!DOCTYPE html>\n<html>sesame", "it is a web page", "curl --fail"},
		"a page after a blank":       {"\n\n  <HTML lang=en>", "it is a web page", "curl --fail"},
		"XML":                        {"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied", "it is a web page", "curl --fail"},
		"asterisks":                  {"***", "it is masked", "kubectl config view --raw --minify --flatten"},
		"colours":                    {"\x1b[33mapiVersion\x1b[0m: v1\n", "it has the colours of a terminal", "NO_COLOR=1"},
		"a fence":                    {"```yaml\n" + whole + "```", "it has the ``` of a page around it", "first and the last line"},
		"a merge conflict":           {"<<<<<<< HEAD\n" + whole + "=======\n>>>>>>> x\n", "it has the marks of a merge conflict", "resolve the conflict"},
		"a heredoc's begin":          {"cat <<EOF > config\n" + whole + "EOF", "it begins with the << of a heredoc", "terraform output -raw"},
		"Terraform's output":         {"<<EOT\n" + whole + "EOT\n", "it begins with the << of a heredoc", "terraform output -raw"},
		"a heredoc's end":            {whole + "EOF\n", "it ends with the last line of a heredoc", "delete that line"},
		"a heredoc's end, indented":  {whole + "  EOT", "it ends with the last line of a heredoc", "delete that line"},
		"a certificate":              {"-----BEGIN CERTIFICATE-----\nsesame", "it is a certificate", "`certificate_authority`"},
		"a key":                      {"-----BEGIN EC PRIVATE KEY-----\nsesame", "it is a private key", "kubectl config view"},
		"a token":                    {jwt, "it is a token", "`bearer_token`"},
		"a variable":                 {"$KUBE_CONFIG", "it is the name of a variable", "single quotes"},
		"a variable in braces":       {"${KUBE_CONFIG}", "it is the name of a variable", "single quotes"},
		"an expression":              {"${{ secrets.KUBECONFIG }}", "it is the name of a variable", "single quotes"},
		"Windows' variable":          {"%KUBECONFIG%", "it is the name of a variable", "single quotes"},
		`written \n`:                 {strings.ReplaceAll(whole, "\n", `\n`), `its line breaks are written as \n`, "printf '%b'"},
		"lost breaks":                {strings.ReplaceAll(whole, "\n", " "), "its line breaks are lost", "printf '%s'"},
		"lost breaks, no version":    {"clusters: - name: a users: - name: b", "its line breaks are lost", "printf '%s'"},
		"a tab":                      {"users:\n\t- name: a\n", "a line of it is indented by a tab", "expand"},
		"a tab after blanks":         {"users:\n  \t- name: a\n", "a line of it is indented by a tab", "expand"},
		"no-break spaces":            {"users:\n\u00a0\u00a0- name: a\n", "a line of it is indented by no-break spaces", "sed"},
		"an error":                   {"error: You must be logged in", "it is the error of a command", "set -e"},
		"an error of oc":             {"Error from server (Forbidden): sesame", "it is the error of a command", "set -e"},
		"a path":                     {"/builds/shop.tmp/KUBECONFIG\n", "it holds a path", "give the path itself"},
		"a path of Windows":          {`C:\agent\_temp\kubeconfig`, "it holds a path", "give the path itself"},
		"a path at home":             {"~/.kube/config", "it holds a path", "give the path itself"},
		"zsh's %":                    {code(whole) + "%", "it is base64 with a % at its end", "base64 -w0"},
		"base64, cut off":            {code(whole)[:101] + "=", "it looks like base64", "base64 -w0"},
		"base64 of something else":   {code(strings.Repeat("\x00\x01sesame", 20)), "it looks like base64", "base64 -w0"},
		"a cloud's answer":           {`{"kubeconfig": "` + code(whole) + `"}`, "it is an API's answer", "jq -r .kubeconfig FILE | base64 -d"},
		"a cloud's answer, decoded":  {`{"kubeconfig": ` + quoted(t, whole) + `}`, "it is an API's answer", "jq -r .kubeconfig FILE > kubeconfig"},
		"Vultr's answer":             {`{"kube_config": "` + code(whole) + `"}`, "it is an API's answer", "jq -r .kube_config FILE | base64 -d"},
		"Azure's answer":             {`{"kubeconfigs": [{"name": "a", "value": "` + code(whole) + `"}]}`, "it is the answer of Azure's API", "jq -r .kubeconfigs[0].value FILE | base64 -d"},
		"Rancher's answer":           {`{"config": ` + quoted(t, whole) + `}`, "it is an API's answer (Rancher's", "jq -r .config FILE > kubeconfig"},
		"Scaleway's answer":          {`{"name": "kubeconfig", "content_type": "x", "content": "` + code(whole) + `"}`, "it is an API's answer (Scaleway's", "jq -r .content FILE | base64 -d"},
		"Terraform's output as JSON": {`{"sensitive": true, "type": "string", "value": ` + quoted(t, whole) + `}`, "it is Terraform's output as JSON", "jq -r .value FILE > kubeconfig"},
		"an answer in YAML":          {"kubeconfig: " + code(whole) + "\n", "it is an API's answer", "jq -r .kubeconfig FILE | base64 -d"},
		"an API's error":             {`{"id": "unauthorized", "message": "sesame"}`, "it is an error that an API answered", "curl --fail"},
		"a Secret":                   {"apiVersion: v1\nkind: Secret\ndata: {value: c2VzYW1l}\n", "it is a Secret", "kubectl get secret NAME"},
		"a list":                     {"apiVersion: v1\nkind: List\nitems: []\n", "it is a list of objects", "kubectl config view"},
		"a program's output":         {`{"kind": "ExecCredential", "status": {"token": "sesame"}}`, "it is the output of a login program", "jq -r .status.token"},
		"another object":             {"apiVersion: v1\nkind: Sesame\n", "it is an object of another kind", "kubectl config view"},
	} {
		p := Recognise(Unwrap([]byte(c.given)))
		if p != nil {
			reached[p.Cause.Error()] = true
		}
		switch {
		case p == nil:
			t.Errorf("%s is not recognised", name)
		case !strings.HasPrefix(p.Cause.Error(), c.cause) || len(p.Hints) != 1 || !strings.Contains(p.Hints[0], c.remedy):
			t.Errorf("%s: %v, %q", name, p.Cause, p.Hints)
		case strings.Contains(strings.ToLower(p.Error()+p.Hints[0]), "sesame"):
			t.Errorf("%s: the content is in the error: %v %q", name, p, p.Hints)
		}
	}
	for _, m := range mistakes {
		if !reached[m.cause] {
			t.Errorf("no case above has: %s", m.cause)
		}
	}
	for name, text := range map[string]string{"a kubeconfig": whole, "nothing": "", "words": "what is this", "a number": "1"} {
		if p := Recognise([]byte(text)); p != nil {
			t.Errorf("%s is taken for something else: %v", name, p)
		}
	}
}

func TestIsContent(t *testing.T) {
	t.Parallel()
	for _, value := range []string{whole, code(whole), code(whole) + "%", `"` + code(whole) + `"`, "{}", "a: b", strings.Repeat("x", 600), "eyJh.eyJz.c2Vz", wide("users: []", binary.LittleEndian, true)} {
		if !IsContent(value) {
			t.Errorf("%.20q is taken for a path", value)
		}
	}
	for _, value := range []string{"", "kubeconfig", "/tmp/kube/config", `C:\Users\ci\config`, `"/tmp/kubeconfig"`, "$KUBECONFIG", "a:b", "/a/b:/c/d", strings.Repeat("directory/", 40)} {
		if IsContent(value) {
			t.Errorf("%.20q is taken for content", value)
		}
	}
}

func FuzzUnwrap(f *testing.F) {
	for _, seed := range []string{whole, code(whole), code(code(whole)), `"` + code(whole) + `"`, wide(whole, binary.BigEndian, true), code("\x1f\x8b\x08\x00sesame-sesame"), "\"0{0" + strings.Repeat("\x8d", 12) + "\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		text := Unwrap(data)
		if len(text) > 3*len(data)+4 { // a byte that is no UTF-8 becomes the three of U+FFFD
			t.Errorf("%d bytes became %d", len(data), len(text))
		}
		if p := Recognise(text); p != nil && len(p.Hints) == 0 {
			t.Errorf("%v has no hint", p)
		}
		IsContent(string(data))
	})
}
