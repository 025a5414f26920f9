# Everything that a developer or CI runs. `make` lists it. Needs Go, make and bash; tools come from Go modules.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Tools have a module of their own, so that their hundreds of dependencies do not become the program's.
tool := go tool -modfile=tools/go.mod

# Stamped into the binary; empty outside a git checkout, and then main.go's own word holds.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
# The race detector wants a C compiler, which a fresh machine need not have. CI installs one.
RACE ?= $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
FUZZTIME ?= 10000x

shell_scripts := entrypoint test/controlplane/build.sh $(wildcard .ci/* examples/*.sh testdata/entrypoint/*)
generated := action.yml native/action.yml docs/inputs.md README.md templates/kubemint.yml entrypoint

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./kubemint
	.ci/build kubemint '$(VERSION)'

platforms := $(foreach os,linux darwin windows,$(os)/amd64 $(os)/arm64)

# What lies below test/ needs a Unix: the control plane runs nowhere else.
.PHONY: cross
cross: ## compile for every platform of a release; vet what is particular to Windows and macOS
	@for platform in $(platforms); do \
	  echo "go build $$platform"; CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -trimpath -buildvcs=false ./...; \
	done
	GOOS=windows go vet . ./internal/...
	GOOS=darwin go vet ./...

.PHONY: demo
demo: ## the main job, end to end, on a Kubernetes control plane of its own on this machine
	./examples/demo.sh

.PHONY: controlplane
controlplane: ## build the Kubernetes control plane for tests and demo: minutes, once; VERSION=1.31.14 builds another one
	@test/controlplane/build.sh $(if $(filter command%,$(origin VERSION)),$(VERSION))

.PHONY: generate
generate: ## write what is generated: both action.yml, docs/inputs.md, the GitLab component, the entrypoint's words, README's tables
	go generate ./...

# Compared with what lay there before, not with the last commit: uncommitted work is no fault.
.PHONY: generate-check
generate-check: ## fail where a generated file is out of date
	@before=$$(cksum $(generated)); \
	go generate ./...; \
	if [ "$$before" != "$$(cksum $(generated))" ]; then \
	  echo 'out of date, and generated anew now: $(generated)' >&2; exit 1; \
	fi

.PHONY: lint
lint: ## golangci-lint; actionlint on workflows and examples; the shell scripts; go.mod
	$(tool) golangci-lint run
	@# The form of controlplane/ too. The linters would have to compile all of Kubernetes first; its build checks it.
	$(tool) golangci-lint fmt --diff
	$(tool) actionlint $(wildcard .github/workflows/*.yml examples/github/*.yml)
	@for script in $(shell_scripts); do "$$(sed -n '1s/.*[/ ]//p' "$$script")" -n "$$script"; done
	@if command -v shellcheck >/dev/null; then shellcheck $(shell_scripts); \
	else echo 'shellcheck is not here: the shell scripts were only parsed (CI has it)'; fi
	go mod tidy -diff

.PHONY: house
house: ## the rules of the house (imports, sizes, words), and the figures that say how the code reads
	go test ./test/house
	go run ./test/house/figures

# The tests from outside run the program as a process: it is built once for all of them, as a release is.
with_program = KUBEMINT_BINARY=$(CURDIR)/kubemint
with_cluster = controlplane=$$(test/controlplane/build.sh); KUBEMINT_CONTROLPLANE=$$controlplane $(with_program)
# Most of these tests wait: for a token to die, for a lock, for a server that does not answer. So more run at once than there are cores.
PARALLEL ?= 8
# -count 1: go test's cache knows nothing of the program's binary.
outside = GOGC=400 go test -count 1 -timeout 30m -parallel $(PARALLEL)

.PHONY: check
check: lint generate-check build ## what every commit passes: lint, generated files, tests without a cluster
	$(with_program) go test -short . ./internal/... ./test/...

# The race detector looks at the rooms here, and at whole runs in make test-race.
# -p 4: the tests of many rooms wait for a clock.
.PHONY: test
test: build ## what a change passes: the rooms with the race detector; the scripts on a real control plane
	@test/controlplane/build.sh >/dev/null
	go test $(RACE) -p 4 -timeout 10m . ./internal/... ./test/kubetest/... ./test/clouds
	@$(with_cluster) $(outside) ./test/script ./test/output
	@echo 'The rest, which takes longer: make test-rest test-guard test-faults test-scale test-race, or all of it, make test-all'

.PHONY: test-rest
test-rest: build ## credentials' lives, sources and clouds, platforms, what the pages say, rights to the letter
	@$(with_cluster) $(outside) ./test/lifecycle ./test/sources ./test/platforms ./test/docs ./test/access ./test/learn

# The guard is printed and applied for each call, and a second passes until the API server enforces it.
.PHONY: test-guard
test-guard: build ## the scripts once more, under the admission policies of kubemint bootstrap --guard
	@$(with_cluster) $(outside) -run '^TestScriptsUnderGuard$$' ./test/script -args -guard

.PHONY: test-scale
test-scale: build ## a thousand namespaces, fifty runs at once, two API servers, races of hundreds of runs
	@$(with_cluster) $(outside) -parallel 2 ./test/scale

.PHONY: test-race
test-race: ## whole runs in one process, with the race detector: some of those that meet faults
	@controlplane=$$(test/controlplane/build.sh); \
	KUBEMINT_CONTROLPLANE=$$controlplane go test $(RACE) -count 1 -timeout 20m -run 'TestFaultStorms|TestFaults/^mint$$' ./test/faults

.PHONY: test-all
test-all: ## what CI runs, a container engine included; needs Go and Debian's packages
	.ci/run

# By default all of test/controlplane/servers; each that is not built yet takes minutes once.
.PHONY: test-versions
test-versions: ## the contract of kubemint on other API servers: make test-versions SERVERS="1.31.14 1.37.1-kine"
	.ci/test-versions $(SERVERS)

# Debian's Python and Ruby clients, the Node client by a lockfile, helm as a Go module, the oldest and the newest kubectl.
.PHONY: test-clients
test-clients: ## other programs read the kubeconfig: kubectl, helm, Python, Node, Ruby; CI installs what is missing
	.ci/test-clients

.PHONY: test-faults
test-faults: build ## every request of a run × every fault of the API server and the network, and storms of them
	@$(with_cluster) $(outside) -v ./test/faults -args -faults

.PHONY: test-container
test-container: ## build the image and test it with a container engine, which is started where none answers
	.ci/engine .ci/test-container

# The files are named, since newer versions of node take a directory for a program.
.PHONY: test-native
test-native: ## the scripts of the GitHub actions without Docker; needs node (18 or newer)
	node --test native/*.test.js setup/*.test.js

.PHONY: release-snapshot
release-snapshot: ## build the six binaries of a release into dist/, and test what can be tested of a release without GitHub
	.ci/release-test dist

# go test fuzzes one target at a time. Its last line of progress says how often. By default it spends a minute on making one input smaller.
# A count, not a duration: before Go 1.27 a target can fail when its time ends, without an input (golang/go#75804).
.PHONY: fuzz
fuzz: ## each fuzz target FUZZTIME (10000x) times; a table of executions at the end
	@targets=$$(grep -rEo --include='*_test.go' '^func Fuzz\w+' . | sed 's|/[^/]*_test.go:func | |' | sort); \
	test -n "$$targets" || { echo 'no fuzz target found' >&2; exit 1; }; \
	table=$$(printf '%-26s %-16s %s' package target executions); \
	while read -r package target; do \
	  echo "$$package $$target"; \
	  said=$$(go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s "$$package" | tee >(cat >&2)); \
	  table+=$$'\n'$$(printf '%-26s %-16s %s' "$$package" "$$target" "$$(sed -n 's/.* execs: \([0-9]*\) .*/\1/p' <<<"$$said" | tail -n 1)"); \
	done <<<"$$targets"; \
	echo "$$table"

# Ratios of one run on one machine: seconds of another say nothing. Three minutes, most of them kubectl's.
.PHONY: bench
bench: ## kubemint beside kubectl, as one table of ratios; then Go's own benchmarks, in the form that benchstat reads
	@controlplane=$$(test/controlplane/build.sh); \
	KUBEMINT_CONTROLPLANE=$$controlplane go test -tags bench -count 1 -timeout 30m -run 'TestBench|TestTimeline' ./test/bench -v
	go test -run '^$$' -bench . -benchmem -count 6 ./internal/rules ./internal/access ./internal/kubeconfig

.PHONY: vulncheck
vulncheck: ## known vulnerabilities that the program reaches; asks vuln.go.dev
	$(tool) govulncheck ./...

.PHONY: clean
clean: ## delete what was built here; the caches stay
	rm -rf kubemint dist
