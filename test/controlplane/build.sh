#!/bin/sh
# Builds a control plane for tests and demo into the user's cache, once for each content of the files that it is built
# from, and prints the binary's path. Beside it lie links that run it as etcd, kube-apiserver, kube-controller-manager
# and kubectl.
#
#   build.sh [VERSION]          builds it where it is missing; VERSION is one of versions/*.mod, or go.mod's own (the default)
#   build.sh kine               builds kine, which serves etcd's API from SQLite
#   build.sh --where [VERSION]  prints the path and builds nothing, whether or not the binary exists
#   build.sh --list             prints what VERSION can be
#
# KUBEMINT_CONTROLPLANE names a prebuilt binary: it is the path wherever no VERSION is given, and nothing is built. What
# other contents of these files left in the cache (up to 145 MB each) may be deleted at any time.
set -eu

newest() {
	sed -n 's|^[[:space:]]*k8s.io/kubernetes v\([^ ]*\)$|\1|p' go.mod
}
list() {
	for mod in versions/*.mod; do
		basename "$mod" .mod
	done
	newest
	echo kine
}

CDPATH='' cd -- "$(dirname -- "$0")"
where=
case "${1-}" in
--where)
	where=1
	shift
	;;
--list)
	list
	exit 0
	;;
-*)
	echo 'usage: build.sh [--where] [VERSION|kine], build.sh --list' >&2
	exit 2
	;;
esac
if [ $# -gt 1 ]; then
	echo 'usage: build.sh [--where] [VERSION|kine], build.sh --list' >&2
	exit 2
fi

prebuilt=${KUBEMINT_CONTROLPLANE-}
if [ -n "$prebuilt" ] && [ -z "${1-}" ]; then
	case "$prebuilt" in
	/*) ;;
	*) # go test runs each package in its own folder
		echo "build.sh: KUBEMINT_CONTROLPLANE is not an absolute path: $prebuilt" >&2
		exit 1
		;;
	esac
	if [ -z "$where" ] && [ ! -x "$prebuilt" ]; then
		echo "build.sh: KUBEMINT_CONTROLPLANE does not name a program: $prebuilt" >&2
		exit 1
	fi
	printf '%s\n' "$prebuilt"
	exit 0
fi

version=${1:-$(newest)}
if ! list | grep -qxF -- "$version"; then
	echo "build.sh: cannot build $version. Give one of: $(list | tr '\n' ' ')" >&2
	exit 1
fi
name=controlplane module=. mod=versions/$version.mod what="the Kubernetes $version control plane"
case $version in
kine) name=kine module=kine mod=kine/go.mod what=kine ;;
"$(newest)") mod=go.mod ;;
esac

# The machine's Go settings must not decide what is built: a workspace would not know this module, -mod=vendor or tags
# in GOFLAGS would build something else, and a version stamp of the checkout would fail where git distrusts its owner.
export GOWORK=off GOFLAGS=-buildvcs=false CGO_ENABLED=0

sha256() {
	if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}
contents() {
	go env GOVERSION GOOS GOARCH
	cat build.sh "$module/main.go" "$mod" "${mod%.mod}.sum"
}
key=$(contents | sha256 | cut -d ' ' -f 1)
dir="${XDG_CACHE_HOME:-$HOME/.cache}/kubemint/controlplane-$key"
binary="$dir/$name"

if [ -n "$where" ] || [ -x "$binary" ]; then
	printf '%s\n' "$binary"
	exit 0
fi

# stamped prints the linker flags with which kubectl and the API server say their version, set as Kubernetes' own build
# does (hack/lib/version.sh): kubectl refuses a server whose version it cannot parse.
stamped() {
	minor=${version#*.} minor=${minor%%.*}
	printf '%s' '-s -w'
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		for value in "gitVersion=v$version" "gitMajor=${version%%.*}" "gitMinor=$minor" gitCommit=unknown; do
			printf ' -X %s.%s' "$package" "$value"
		done
	done
}

echo "building $what for tests: the first time takes minutes, then it is cached in $dir" >&2
mkdir -p "$dir"
building=$(mktemp -d "$dir/building.XXXXXX")
trap 'rm -rf "$building"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
go -C "$module" build -modfile="$PWD/$mod" -trimpath -ldflags "$(stamped)" -o "$building/$name" .

# The links come first and the binary last, in one step: where it is, all is there. Of two builds at once the second
# replaces the first with the same content.
if [ "$name" = controlplane ]; then
	for part in etcd kube-apiserver kube-controller-manager kubectl; do
		ln -s controlplane "$dir/$part" 2>/dev/null || [ -L "$dir/$part" ]
	done
fi
mv -f "$building/$name" "$binary"
printf '%s\n' "$binary"
