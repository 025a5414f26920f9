package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubemint/kubemint/internal/disk"
)

// Version is the version that this program writes. It refuses any other: a record that it only half
// understands could make revoke delete less than it promises.
const Version = 2

// Receipt records what revoke needs to know about one run.
type Receipt struct {
	Version     int    `json:"version"`
	Server      string `json:"server"`                  // URL of the API server
	Fingerprint string `json:"caFingerprint,omitempty"` // of the CA; empty: the system's roots
	Account     Object `json:"account"`                 // the ServiceAccount, or its prefix if ephemeral
	Source      Source `json:"source"`
	Made
	ExpiresAt string `json:"expiresAt,omitempty"` // of the token, RFC 3339
	Keep      bool   `json:"keep,omitempty"`      // revoke: false: the credential outlives the job
}

// Made names what the run made for itself: objects of the cluster and files.
type Made struct {
	// this run's, and an earlier one's until it is deleted
	Leases    []Object `json:"leases,omitempty"`
	Objects   []Object `json:"objects,omitempty"`     // of this run alone; only with an ephemeral identity
	Theirs    []Object `json:"theirs,omitempty"`      // Secrets of somebody else: named, never deleted
	Elsewhere bool     `json:"elsewhere,omitempty"`   // the objects are in the file alone: [Receipt.Small]
	Output    string   `json:"output"`                // the kubeconfig, as this process saw the path
	EnvFile   bool     `json:"envFile,omitempty"`     // the run wrote the file of outputs, <output>.env
	Dirs      []string `json:"dirs,omitempty"`        // directories that the run made, outermost first
	TokenHash string   `json:"tokenSHA256,omitempty"` // of the token in the output, lower-case hex
}

// Source says where the runner's credential came from, never what it was.
type Source struct {
	Kind    string   `json:"kind"` // one of the Kind constants
	Paths   []string `json:"paths,omitempty"`
	Context string   `json:"context,omitempty"`
}

// The kinds of source.
const (
	KindFile      = "file"       // kubeconfig files: Paths and Context say which
	KindContent   = "content"    // given as the input's value: only that input can give it again
	KindInCluster = "in-cluster" // the pod's mounted ServiceAccount
	KindServer    = "server"     // an ID token for the input `server`: only the inputs can give it again
)

// Object names one object on the server. The UIDs are empty until the server has said them.
type Object struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid,omitempty"`
	SecretUID types.UID `json:"secretUID,omitempty"` // of a lease's Secret, which has the lease's name
}

// Path returns where the receipt of a kubeconfig lies, next to it.
func Path(output string) string { return output + ".receipt" }

// maxVariable bounds a record in an environment variable, with which a CI platform hands it to the
// next step (MAX_ARG_STRLEN of Linux is 128 KiB, with the name).
const maxVariable = 100 << 10

// Small returns the record, without its objects where it would be too long for a variable. The file
// has them.
func (r *Receipt) Small() *Receipt {
	if data, err := r.Encode(); err != nil || len(data) <= maxVariable {
		return r
	}
	small := *r
	small.Objects = nil
	small.Elsewhere = true
	return &small
}

// SameTarget reports whether two records name the same ServiceAccount at the same API server.
func (r *Receipt) SameTarget(other *Receipt) bool {
	return r.Server == other.Server && r.Fingerprint == other.Fingerprint && r.Account == other.Account
}

// Encode returns the record as one line of JSON.
func (r *Receipt) Encode() ([]byte, error) {
	r.Version = Version
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode receipt: %w", err)
	}
	return data, nil
}

// Read reads the receipt next to output, in a directory that only we can write to. [Store.Read] is
// for any other directory. The error is os.ErrNotExist if there is no receipt.
func Read(output string) (*Receipt, error) { return readFile(Path(output)) }

func readFile(path string) (*Receipt, error) {
	data, err := disk.ReadAny(path, disk.MaxBytes)
	if errors.As(err, new(*os.PathError)) {
		return nil, fmt.Errorf("read receipt: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read receipt %s: %w", path, err)
	}
	r, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("read receipt %s: %w", path, err)
	}
	return r, nil
}

// Decode reads a record strictly. An unknown field or version is an error: kubemint must not delete
// anything because of a record that it only half understands.
func Decode(data []byte) (*Receipt, error) {
	if len(data) > disk.MaxBytes {
		return nil, disk.TooLongError{Most: disk.MaxBytes}
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	r := new(Receipt)
	err := decoder.Decode(r)
	if _, rest := decoder.Token(); err != nil || !errors.Is(rest, io.EOF) {
		return nil, errors.New("damaged, or not a receipt of kubemint")
	}
	if r.Version != Version {
		return nil, fmt.Errorf("version %d, but this kubemint reads version %d", r.Version, Version)
	}
	if r.Server == "" || r.Output == "" {
		return nil, errors.New("incomplete: server or output is missing")
	}
	if _, err := time.Parse(time.RFC3339, r.ExpiresAt); r.ExpiresAt != "" && err != nil {
		return nil, errors.New("damaged: expiresAt is not a time")
	}
	if !named(r.Account, "ServiceAccount") {
		return nil, errors.New("damaged: it names no ServiceAccount")
	}
	for _, lease := range r.Leases { // they go into messages, and into a command for a person to paste
		if !named(lease, "Lease") {
			return nil, errors.New("damaged: it names a lease that cannot be one")
		}
	}
	for _, secret := range r.Theirs {
		if !named(secret, "Secret") {
			return nil, errors.New("damaged: it names a Secret that cannot be one")
		}
	}
	return r, nil
}

// named reports whether an object is of the kind and has a namespace and a name that can exist.
func named(o Object, kind string) bool {
	return o.Kind == kind && len(validation.IsDNS1123Label(o.Namespace)) == 0 &&
		len(validation.IsDNS1123Subdomain(o.Name)) == 0
}
