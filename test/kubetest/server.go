package kubetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// serverVariable names the line of controlplane/servers to start. Unset, it is the newest version with etcd.
const serverVariable = "KUBEMINT_CONTROLPLANE_SERVER"

// Server is a line of controlplane/servers: an API server that the contract is tested on.
type Server struct {
	Name  string
	Build string   // argument of controlplane/build.sh
	Store string   // etcd or kine
	Flags []string // of kube-apiserver
}

// Servers parses controlplane/servers.
func Servers(text []byte) ([]Server, error) {
	var servers []Server
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 3 || (fields[2] != "etcd" && fields[2] != "kine") {
			line = strings.TrimSpace(line)
			return nil, fmt.Errorf("parse controlplane/servers: want NAME BUILD etcd|kine [FLAG…]: %q", line)
		}
		servers = append(servers, Server{Name: fields[0], Build: fields[1], Store: fields[2], Flags: fields[3:]})
	}
	if len(servers) == 0 {
		return nil, errors.New("parse controlplane/servers: it has no server")
	}
	return servers, nil
}

// chosenServer returns the server that the environment names. Its Build is empty where it names none:
// build.sh decides.
func chosenServer() (Server, error) {
	name := os.Getenv(serverVariable)
	if name == "" {
		return Server{Store: "etcd"}, nil
	}
	script, err := buildScript()
	if err != nil {
		return Server{}, err
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(script), "servers"))
	if err != nil {
		return Server{}, err
	}
	servers, err := Servers(text)
	if err != nil {
		return Server{}, err
	}
	for _, server := range servers {
		if server.Name == name {
			return server, nil
		}
	}
	return Server{}, fmt.Errorf("%s: controlplane/servers has no server %q", serverVariable, name)
}

// Binary returns the path of the control plane: the program in the environment variable
// KUBEMINT_CONTROLPLANE, else what controlplane/build.sh has built from this checkout for the server that
// the environment names.
func Binary(ctx context.Context) (string, error) {
	server, err := chosenServer()
	if err != nil {
		return "", err
	}
	return built(ctx, server.Build)
}

// built asks controlplane/build.sh, which alone knows the rule, for the path of a build. "" is the default
// one.
func built(ctx context.Context, build string) (string, error) {
	script, err := buildScript()
	if err != nil {
		return "", err
	}
	args := []string{"--where"}
	if build != "" {
		args = append(args, build)
	}
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, script, args...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("find control plane: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	binary := string(bytes.TrimSpace(out))
	if _, err := exec.LookPath(binary); err != nil {
		target := strings.TrimSpace("make controlplane " + versionArgument(build))
		return "", fmt.Errorf("find control plane: %w: run %s (the first time takes minutes)", err, target)
	}
	return binary, nil
}

func versionArgument(build string) string {
	if build == "" {
		return ""
	}
	return "VERSION=" + build
}

// buildScript finds test/controlplane/build.sh above the working directory.
func buildScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		script := filepath.Join(dir, "test", "controlplane", "build.sh")
		if _, err := os.Stat(script); err == nil {
			return script, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("find control plane: no folder above has a test/controlplane/build.sh")
		}
		dir = filepath.Dir(dir)
	}
}
