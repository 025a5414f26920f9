# The image of the GitHub action, and of the container step elsewhere. The classic builder can build it too.
#
# Both bases are pinned by tag, not by digest: no digest was looked up in the registry, and a made-up one would be worse
# than none. To pin, pass --build-arg GO_IMAGE=golang@sha256:… and BASE_IMAGE=busybox@sha256:….
ARG GO_IMAGE=golang:1.26.8-bookworm
# A userland is needed, so neither scratch nor distroless serves: GitLab runs the job in sh, Jenkins keeps the container
# alive with cat, and the Kubernetes hooks of actions/runner use sh, env, tail and tar.
ARG BASE_IMAGE=busybox:1.37.0-musl

FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Empty: the version that main.go itself declares.
ARG VERSION=
RUN GOTOOLCHAIN=local .ci/build /out/usr/local/bin/kubemint "$VERSION" \
 && ln -s kubemint /out/usr/local/bin/kubemint-revoke \
 && cp entrypoint /out/usr/local/bin/ && chmod 0755 /out/usr/local/bin/entrypoint \
 && mkdir -p /out/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM ${BASE_IMAGE}
COPY --from=build /out/ /
ARG VERSION=
# The commit. Empty, as VERSION, where whoever builds the image does not say: GitHub's runner does not.
ARG REVISION=
# OCI annotations, but for `created`: it would make two images of the same source differ.
LABEL org.opencontainers.image.title="kubemint" \
      org.opencontainers.image.description="A scoped, short-lived, proven and revocable cluster credential for a pipeline" \
      org.opencontainers.image.url="https://github.com/kubemint/kubemint" \
      org.opencontainers.image.source="https://github.com/kubemint/kubemint" \
      org.opencontainers.image.documentation="https://github.com/kubemint/kubemint/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# No USER: GitHub requires root for Docker actions, since the mounted workspace belongs to the runner's user
# (https://docs.github.com/en/actions/reference/workflows-and-actions/dockerfile-support); Jenkins sets its own uid.
# Nothing here needs root or a passwd entry.
# An absolute path, and the same that action.yml names: the runner passes it as `--entrypoint`, and its Kubernetes hooks
# refuse an action without one.
ENTRYPOINT ["/usr/local/bin/entrypoint"]
