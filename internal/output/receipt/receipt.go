package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Version is what this program writes. A record of another version is refused: half understood, it could delete less
// than it promises.
const Version = 2

// maxBytes bounds what is read: a record of 1,000 objects has some 150 KB.
const maxBytes = 1 << 20

// Receipt is what revoke needs to know of one run.
type Receipt struct {
	Version     int      `json:"version"`
	Server      string   `json:"server"`                  // URL of the API server that the run talked to
	Fingerprint string   `json:"caFingerprint,omitempty"` // SHA-256 of the CA bundle; empty where system roots serve
	Account     Object   `json:"account"`                 // the declared ServiceAccount; with ephemeral, its name is a prefix
	Source      Source   `json:"source"`
	Leases      []Object `json:"leases,omitempty"`      // this run's, and an earlier one's at the same output until it is deleted
	Objects     []Object `json:"objects,omitempty"`     // of this run alone; none unless the identity is ephemeral
	Theirs      []Object `json:"theirs,omitempty"`      // Secrets that somebody else made: named, and never deleted
	Elsewhere   bool     `json:"elsewhere,omitempty"`   // the objects stand in the file alone: see [Receipt.Small]
	Output      string   `json:"output"`                // the written kubeconfig, as this process saw the path
	EnvFile     bool     `json:"envFile,omitempty"`     // the run wrote the file of outputs, <output>.env
	Dirs        []string `json:"dirs,omitempty"`        // directories that the run made, outermost first
	TokenHash   string   `json:"tokenSHA256,omitempty"` // of the token in the output, lower-case hex
	ExpiresAt   string   `json:"expiresAt,omitempty"`   // of the token, RFC 3339
	Keep        bool     `json:"keep,omitempty"`        // revoke: false: the credential outlives the job on purpose
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
	KindServer    = "server"     // an ID token for the input `server`: only the inputs, and a new token, can give it again
)

// Object names one object on the server. The UIDs are empty until the server has said them.
type Object struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid,omitempty"`
	SecretUID types.UID `json:"secretUID,omitempty"` // of a lease's Secret, which has the lease's name
}

// Path is where the receipt of a kubeconfig lies.
func Path(output string) string { return output + ".receipt" }

// most is what one environment variable holds, name included (MAX_ARG_STRLEN of Linux is 128 KiB): how a CI platform hands a
// record to the next step.
const most = 100 << 10

// Small is the record itself, or, where it would be too long for a variable, one that leaves the objects to the file.
func (r *Receipt) Small() *Receipt {
	if data, err := r.Encode(); err != nil || len(data) <= most {
		return r
	}
	small := *r
	small.Objects, small.Elsewhere = nil, true
	return &small
}

// SameTarget says whether two records are of one ServiceAccount at one API server.
func (r *Receipt) SameTarget(other *Receipt) bool {
	return r.Server == other.Server && r.Fingerprint == other.Fingerprint && r.Account == other.Account
}

// Encode gives the record as one line of JSON.
func (r *Receipt) Encode() ([]byte, error) {
	r.Version = Version
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode receipt: %w", err)
	}
	return data, nil
}

// Read reads the receipt that lies beside output, wherever that is: for a directory that only we can write. [Store.Read] is
// for any other. The error is os.ErrNotExist where there is none.
func Read(output string) (*Receipt, error) { return readFile(Path(output)) }

func readFile(path string) (*Receipt, error) {
	// A FIFO of that name, which opens when somebody writes to it, must not hold the job: it reads as an empty file.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the path is the user's own output path
	if err != nil {
		return nil, fmt.Errorf("read receipt: %w", err)
	}
	defer file.Close() //nolint:errcheck // opened for reading
	data, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read receipt %s: %w", path, err)
	}
	r, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("read receipt %s: %w", path, err)
	}
	return r, nil
}

// Decode reads a record strictly: an unknown field or version is an error, since a record that is only half understood
// must not lead to a deletion.
func Decode(data []byte) (*Receipt, error) {
	if len(data) > maxBytes {
		return nil, fmt.Errorf("longer than %d bytes", maxBytes)
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

// named says whether an object is of the kind and has a namespace and a name that can exist.
func named(o Object, kind string) bool {
	return o.Kind == kind && len(validation.IsDNS1123Label(o.Namespace)) == 0 && len(validation.IsDNS1123Subdomain(o.Name)) == 0
}
