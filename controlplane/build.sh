#!/bin/sh
# Builds the control plane for tests and demo into the user's cache, once for each content of this folder, and prints
# the binary's path. Beside it lie links by which it is etcd, kube-apiserver, kube-controller-manager and kubectl.
#
#   build.sh           builds it where it is missing
#   build.sh --where   prints the path and builds nothing, whether or not the binary exists
#
# KUBEMINT_CONTROLPLANE names a prebuilt binary: then that is the path, and nothing is built. What other contents of
# this folder left in the cache (145 MB each) may be deleted at any time.
set -eu

case "${1-}" in
'' | --where) ;;
*)
	echo 'usage: build.sh [--where]' >&2
	exit 2
	;;
esac

prebuilt=${KUBEMINT_CONTROLPLANE-}
if [ -n "$prebuilt" ]; then
	case "$prebuilt" in
	/*) ;;
	*) # go test runs each package in its own folder
		echo "build.sh: KUBEMINT_CONTROLPLANE is no absolute path: $prebuilt" >&2
		exit 1
		;;
	esac
	if [ -z "${1-}" ] && [ ! -x "$prebuilt" ]; then
		echo "build.sh: KUBEMINT_CONTROLPLANE names no program: $prebuilt" >&2
		exit 1
	fi
	printf '%s\n' "$prebuilt"
	exit 0
fi

CDPATH='' cd -- "$(dirname -- "$0")"

# The machine's Go settings must not decide what is built: a workspace would not know this module, -mod=vendor or tags
# in GOFLAGS would build something else, and a version stamp of the checkout would fail where git distrusts its owner.
export GOWORK=off GOFLAGS=-buildvcs=false CGO_ENABLED=0

sha256() {
	if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}
contents() {
	go env GOVERSION GOOS GOARCH
	find . -type f | LC_ALL=C sort
	find . -type f | LC_ALL=C sort | xargs cat
}
key=$(contents | sha256 | cut -d ' ' -f 1)
dir="${XDG_CACHE_HOME:-$HOME/.cache}/kubemint/controlplane-$key"
binary="$dir/controlplane"

if [ "${1-}" = --where ] || [ -x "$binary" ]; then
	printf '%s\n' "$binary"
	exit 0
fi

version=$(sed -n 's|^[[:space:]]*k8s.io/kubernetes \(v[^ ]*\)$|\1|p' go.mod)
major=${version#v} major=${major%%.*}
minor=${version#v*.} minor=${minor%%.*}
ldflags='-s -w'
# kubectl refuses a server whose version it cannot parse; each of the two packages is stamped as Kubernetes' own build
# does (hack/lib/version.sh).
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	for value in "gitVersion=$version" "gitMajor=$major" "gitMinor=$minor" gitCommit=unknown; do
		ldflags="$ldflags -X $package.$value"
	done
done

echo "building the Kubernetes $version control plane for tests: the first time takes minutes, then it is cached in $dir" >&2
mkdir -p "$dir"
building=$(mktemp -d "$dir/building.XXXXXX")
trap 'rm -rf "$building"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
go build -trimpath -ldflags "$ldflags" -o "$building/controlplane" .

# The links come first and the binary last, in one step: where it is, all is there. Of two builds at once the second
# replaces the first by the same.
for part in etcd kube-apiserver kube-controller-manager kubectl; do
	ln -s controlplane "$dir/$part" 2>/dev/null || [ -L "$dir/$part" ]
done
mv -f "$building/controlplane" "$binary"
printf '%s\n' "$binary"
