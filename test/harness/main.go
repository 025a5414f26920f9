package harness

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/klog/v2"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/kubetest"
)

// Main is a package's TestMain. Programs are further commands, by their names: the test binary itself, by another name.
func Main(m *testing.M, programs map[string]func()) {
	all := map[string]func(){"kubemint-test-private": runInPrivate}
	maps.Copy(all, programs)
	testscript.Main(suite{m}, all)
}

type suite struct{ m *testing.M }

func (s suite) Run() int {
	flag.Parse()
	programs, err := enterRoot()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programs)
	code := s.m.Run()
	if shared.cluster != nil {
		shared.cluster.Close()
	}
	return code
}

// enterRoot makes the repository's root the working directory, and puts the program first in PATH.
func enterRoot() (programs string, err error) {
	root, err := findRoot()
	if err != nil {
		return "", err
	}
	if err := os.Chdir(root); err != nil {
		return "", err
	}
	if programs, err = os.MkdirTemp("", "kubemint-programs-"); err != nil {
		return "", err
	}
	kubemint := filepath.Join(programs, "kubemint")
	if err := provide(kubemint); err != nil {
		return programs, err
	}
	if err := os.Symlink(kubemint, filepath.Join(programs, "kubemint-revoke")); err != nil {
		return programs, err
	}
	return programs, os.Setenv("PATH", programs+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// binaryVariable names the program, where it was built before the tests: make test builds it once for all packages.
const binaryVariable = "KUBEMINT_BINARY"

func provide(kubemint string) error {
	if built := os.Getenv(binaryVariable); built != "" {
		if !filepath.IsAbs(built) {
			return fmt.Errorf("%s is not an absolute path: %s", binaryVariable, built)
		}
		return os.Symlink(built, kubemint)
	}
	return Build(context.Background(), kubemint)
}

// Build builds the program as a release does, for this machine.
func Build(ctx context.Context, path string) error {
	if out, err := exec.CommandContext(ctx, ".ci/build", path).CombinedOutput(); err != nil {
		return fmt.Errorf("build kubemint: %w: %s", err, out)
	}
	return nil
}

func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find the repository: no folder above has a go.mod")
		}
	}
}

// Shared is the control plane that the tests of a package share; each works in namespaces of its own.
func Shared() (*kubetest.ControlPlane, error) {
	shared.start.Do(func() {
		shared.cluster, shared.err = kubetest.Start(context.Background(), kubetest.Options{})
	})
	return shared.cluster, shared.err
}

var shared struct {
	start   sync.Once
	cluster *kubetest.ControlPlane
	err     error
}

// runInPrivate is the program with the directory $PRIVATE_DIR in place of /dev/shm and $TMPDIR: what a test leaves there is not
// removed by an exec of another test.
func runInPrivate() {
	log.SetOutput(io.Discard) // as main does
	klog.SetLogger(logr.Discard())
	dir, err := os.Getwd()
	ExitOn(err)
	os.Exit(command.Main(context.Background(), command.Process{
		Args: append([]string{"kubemint"}, os.Args[1:]...), Environ: os.Environ(), Dir: dir,
		Streams: command.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}, ForTests: command.ForTests{PrivateDir: os.Getenv("PRIVATE_DIR")},
	}))
}
