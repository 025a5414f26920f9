package script

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// keeper is the directory of a script under the guard. It plays the administrator, who prints and applies the guard
// again whenever the configuration has changed.
//
//	bin/        what stands first in the script's PATH
//	real/       the programs themselves
//	admin       a kubeconfig that no guard confines; probe is the same for a user who shows which policies are in force
//	subjects    who is confined: the users of this script, one a line
//	applied     the policies in force
type keeper string

func (k keeper) path(name string) string { return filepath.Join(string(k), name) }

// runUnderGuard is a program that the scripts call in place of kubemint. Its arguments are the directory of the keeper,
// the name of the program, and that program's arguments.
func runUnderGuard() {
	k, name, args := keeper(os.Args[1]), os.Args[2], os.Args[3:]
	if changesAccess(name, args) {
		harness.ExitOn(k.renewGuard(args))
	}
	harness.ExitOn(syscall.Exec(k.path("real/"+name), append([]string{name}, args...), os.Environ()))
}

// changesAccess says whether the inputs of a call are the ones that the guard has to be printed from. Revoke takes a
// receipt; it and sweep keep the guard of the last run. A command of exec has the minted credential, which none confines.
func changesAccess(name string, args []string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(os.Getenv("KUBECONFIG")), "kubeconfig.receipt"))
	nested := err == nil
	return name != "kubemint-revoke" && !nested && (len(args) == 0 || slices.Contains([]string{"mint", "plan", "exec", "prune", "learn"}, args[0]))
}

// renewGuard applies what the program prints for the environment of now, and waits until it is in force. Where the
// program refuses the inputs or the source, the run will refuse them too.
func (k keeper) renewGuard(args []string) error {
	unlock, err := k.lock()
	if err != nil {
		return err
	}
	defer unlock()
	printed, err := k.printGuard()
	refused := []int{int(problem.Config), int(problem.Source)}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && slices.Contains(refused, exit.ExitCode()) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("print the guard of kubemint %v: %w", args, err)
	}
	applied, err := os.ReadFile(k.path("applied"))
	if err != nil || bytes.Equal(applied, printed) {
		return err
	}
	admin, err := k.client("admin")
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := k.removeGuard(ctx, admin); err != nil {
		return err
	}
	if err := os.WriteFile(k.path("applied"), printed, 0o600); err != nil {
		return err
	}
	manifests, err := readPolicies(printed)
	if err != nil {
		return err
	}
	for _, object := range manifests {
		if err := admin.Do(ctx, http.MethodPost, policiesPath(object.GetKind()), object, nil); err != nil {
			return fmt.Errorf("apply the guard of kubemint %v: %w", args, err)
		}
	}
	probe, err := k.client("probe")
	if err != nil {
		return err
	}
	return harness.AwaitPolicies(ctx, admin, probe, filepath.Base(string(k)))
}

// lock keeps calls that run at once from applying at once.
func (k keeper) lock() (unlock func(), err error) {
	file, err := os.OpenFile(k.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return func() { _ = file.Close() }, syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
}

func (k keeper) printGuard() ([]byte, error) {
	subjects, err := os.ReadFile(k.path("subjects"))
	if err != nil {
		return nil, err
	}
	args := []string{"bootstrap", "--guard=anyway"}
	for subject := range strings.FieldsSeq(string(subjects)) {
		args = append(args, "--subject", subject)
	}
	return exec.CommandContext(context.Background(), k.path("real/kubemint"), args...).Output()
}

func (k keeper) client(name string) (*kubetest.Client, error) {
	content, err := os.ReadFile(k.path(name))
	if err != nil {
		return nil, err
	}
	return kubetest.NewClient(content)
}

// removeGuard deletes the policies in force.
func (k keeper) removeGuard(ctx context.Context, admin *kubetest.Client) error {
	applied, err := os.ReadFile(k.path("applied"))
	if err != nil {
		return err
	}
	manifests, err := readPolicies(applied)
	for _, object := range manifests {
		err = errors.Join(err, admin.Do(ctx, http.MethodDelete, policiesPath(object.GetKind())+"/"+object.GetName(), nil, nil))
	}
	return err
}

// readPolicies reads the policies and their bindings among manifests.
func readPolicies(manifests []byte) (found []*unstructured.Unstructured, err error) {
	for document := range strings.SplitSeq("\n"+string(manifests), "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, err
		}
		if strings.HasPrefix(object.GetKind(), "ValidatingAdmissionPolicy") {
			found = append(found, object)
		}
	}
	return found, nil
}

func policiesPath(kind string) string {
	plural := map[string]string{
		"ValidatingAdmissionPolicy":        "validatingadmissionpolicies",
		"ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
	}
	return "/apis/admissionregistration.k8s.io/v1/" + plural[kind]
}
