package kubetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// childVariable turns this test program into the one that is killed in TestNothingOutlivesTheProcess.
const childVariable = "KUBETEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
	}
	os.Exit(m.Run())
}

// child starts a control plane, prints its folder and its processes, and ends in the way it was asked for.
func child() {
	cluster, err := Start(context.Background(), Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Print(cluster.dir)
	for _, p := range cluster.parts {
		fmt.Print(" ", p.process.Pid)
	}
	fmt.Println()
	if os.Getenv(childVariable) == "panic" {
		panic("as a test may")
	}
	select {}
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	skipShort(t)
	begin := time.Now()
	cluster, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ready after %s", time.Since(begin).Round(10*time.Millisecond))
	begin = time.Now()
	cluster.Close()
	t.Logf("closed after %s", time.Since(begin).Round(time.Millisecond))
	for _, p := range cluster.parts {
		if running(p.process.Pid) {
			t.Errorf("%s still runs", p.name)
		}
	}
	if _, err := os.Stat(cluster.dir); !os.IsNotExist(err) {
		t.Errorf("the data are still there: %v", err)
	}
	cluster.Close() // twice does no harm
}

func TestNothingOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	skipShort(t)
	for name, end := range map[string]func(pid int) error{
		"panic":   func(int) error { return nil }, // it does so by itself
		"SIGKILL": func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) },
		"Ctrl-C":  func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) }, // the terminal sends it to the group
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0])
			command.Env = append(os.Environ(), childVariable+"="+name)
			command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			stdout, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(stdout).ReadString('\n')
			fields := strings.Fields(line)
			if err != nil || len(fields) != 4 {
				t.Fatalf("the child says %q: %v", line, err)
			}
			if err := end(command.Process.Pid); err != nil {
				t.Fatal(err)
			}
			if err := command.Wait(); err == nil {
				t.Fatal("the child ended well")
			}
			for _, field := range fields[1:] {
				pid, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, func() error {
					if running(pid) {
						return fmt.Errorf("process %d still runs", pid)
					}
					return nil
				})
			}
			if _, err := os.Stat(fields[0]); !os.IsNotExist(err) {
				t.Errorf("the data are still there: %v", err)
			}
		})
	}
}

// running says whether the process does anything yet. In a container whose first process reaps nobody's children, an
// ended one stays in the table as a zombie.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// eventually asks for ten seconds until ask returns nil.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// gone waits until the server answers that the object does not exist.
func gone(t *testing.T, cluster *ControlPlane, path string) {
	t.Helper()
	eventually(t, func() error {
		err := cluster.Admin.Do(t.Context(), "GET", path, nil, nil)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(fmt.Errorf("%s is still there", path), err)
	})
}

func namespace(t *testing.T, cluster *ControlPlane) string {
	t.Helper()
	name, err := cluster.CreateNamespace(t.Context(), "test-")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func as(t *testing.T, cluster *ControlPlane, user string, groups ...string) *Client {
	t.Helper()
	kubeconfig, err := cluster.ClientKubeconfig(user, groups...)
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
