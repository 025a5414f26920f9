package harness

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Command is kubemint in a directory, with these variables and no others.
func Command(t *testing.T, dir string, env []string, args ...string) (command *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	stderr = new(bytes.Buffer)
	command = exec.CommandContext(t.Context(), "kubemint", args...)
	command.Dir, command.Env, command.Stderr = dir, append([]string{StateIn(dir)}, env...), stderr
	return command, stderr
}

// RunProgram runs kubemint, which must succeed.
func RunProgram(t *testing.T, dir string, env []string, args ...string) {
	t.Helper()
	if command, stderr := Command(t, dir, env, args...); command.Run() != nil {
		t.Fatalf("kubemint %v: %s", args, stderr)
	}
}

// RunAs runs kubemint with a kubeconfig as its source and demands its exit code. It returns what the program says.
func RunAs(t *testing.T, dir string, source []byte, env []string, code int, args ...string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "source"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	return RunExpecting(t, dir, append([]string{"KUBECONFIG=source"}, env...), code, args...)
}

// RunExpecting runs the program in a directory, with these variables, and demands its exit code. It returns what the
// program said.
func RunExpecting(t *testing.T, dir string, env []string, code int, args ...string) (said string) {
	t.Helper()
	command, stderr := Command(t, dir, env, args...)
	_ = command.Run()
	if have := command.ProcessState.ExitCode(); have != code {
		t.Errorf("kubemint %v: exit code %d, not %d: %s", args, have, code, stderr)
	}
	return stderr.String()
}

// AssertSays demands that each expression matches; ^ and $ are the ends of a line.
func AssertSays(t *testing.T, said string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !regexp.MustCompile(`(?m)` + want).MatchString(said) {
			t.Errorf("it does not say %s:\n%s", want, said)
		}
	}
}

// AssertSaysNot demands that a word does not appear.
func AssertSaysNot(t *testing.T, said, word string) {
	t.Helper()
	if strings.Contains(said, word) {
		t.Errorf("it says %q:\n%s", word, said)
	}
}

// AssertOnlySource demands that a run has left nothing in the directory of its source.
func AssertOnlySource(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("left next to the source: %v (%v)", files, err)
	}
}

// StateIn makes kubemint keep the receipts of a checkout next to it, inside the test's own temporary
// directory.
func StateIn(dir string) string { return "XDG_STATE_HOME=" + dir + "-state" }

// ReceiptIn is where the receipt of a kubeconfig of a checkout lies then.
func ReceiptIn(dir, output string) string {
	return ReceiptOf(dir+"-state", filepath.Join(dir, output))
}

// ReceiptOf is where the receipt of a kubeconfig in the workspace lies: in the user's state, by a hash of its path.
func ReceiptOf(state, output string) string {
	sum := sha256.Sum256([]byte(output))
	return filepath.Join(state, "kubemint", hex.EncodeToString(sum[:16])+".receipt")
}

// ReadFile returns the content of a file that must be there.
func ReadFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")))
}

// WriteFile writes a file that only its owner may read.
func WriteFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// CutSecretOutputs cuts the heredocs of the outputs token and kubeconfig.
func CutSecretOutputs(content []byte) []byte {
	var kept [][]byte
	skipTo := ""
	for line := range bytes.SplitSeq(content, []byte("\n")) {
		name, delimiter, heredoc := strings.Cut(string(line), "<<")
		switch {
		case skipTo != "":
			if string(line) == skipTo {
				skipTo = ""
			}
		case heredoc && (name == "token" || name == "kubeconfig"):
			skipTo = delimiter
		default:
			kept = append(kept, line)
		}
	}
	return bytes.Join(kept, []byte("\n"))
}

// EndsWithin bounds the time between a signal and the end of a run: it takes 3.5 s at most, 0.5 s for requests under way and
// 3 s to take back what it made. GitHub's runner kills after 7.5 s.
const EndsWithin = 5 * time.Second
