#!/usr/bin/env bash
# Sets up Slipway on this host: Docker, the base image, the binary, the service, keys. Run it again at any time;
# it changes only what is not as it should be.
set -Eeuo pipefail

SOURCES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/say.sh
. "$SOURCES/scripts/say.sh"
# shellcheck source=scripts/engine.sh
. "$SOURCES/scripts/engine.sh"
# shellcheck source=scripts/server.sh
. "$SOURCES/scripts/server.sh"
# shellcheck source=scripts/keys.sh
. "$SOURCES/scripts/keys.sh"
# shellcheck source=scripts/demo.sh
. "$SOURCES/scripts/demo.sh"
# shellcheck source=scripts/uninstall.sh
. "$SOURCES/scripts/uninstall.sh"

ROOT=/var/lib/slipway
PREFIX=/usr/local
BINARY=
DOMAIN=
SSH_LISTEN=
HTTP_LISTEN=
HTTPS_LISTEN=
KEY_FILES=()
NO_SYSTEMD=
DEMO=
ENGINE_ONLY=
UNINSTALL=
PURGE=

print_help() {
    cat <<'HELP'
Usage: ./install.sh [OPTION]...

Sets up Slipway on this host, or brings it up to date. Installs Docker from the distribution if there is none.

  --demo                 push a sample app afterwards, and show what its URL answers
  --key FILE             a public key that may do everything; can be given more than once
                         (default: the *.pub files in your ~/.ssh)
  --domain DOMAIN        apps get names below it (default: localhost)
  --ssh-listen ADDRESS   where to serve SSH (default: [::]:2222)
  --http-listen ADDRESS  where to serve HTTP (default: [::]:80, which takes IPv4 as well)
  --https-listen ADDRESS where to serve HTTPS, or off (default: [::]:443 if HTTP is on port 80)
  --binary FILE          install this binary (default: target/release/slipway, built with cargo if need be)
  --root DIRECTORY       where all data lives (default: /var/lib/slipway)
  --prefix DIRECTORY     the binary goes to its bin directory (default: /usr/local)
  --no-systemd           start the server directly, even where systemd runs
  --engine-only          only Docker and the base image
  --uninstall            stop the server; remove the binary, the service and the apps' containers
  --purge                with --uninstall: remove the data too
  --help                 show this
HELP
}

parse_options() {
    while [ $# -gt 0 ]; do
        case $1 in
            --demo) DEMO=yes ;;
            --no-systemd) NO_SYSTEMD=yes ;;
            --engine-only) ENGINE_ONLY=yes ;;
            --uninstall) UNINSTALL=yes ;;
            --purge) PURGE=yes ;;
            -h | --help)
                print_help
                exit 0
                ;;
            --key | --domain | --ssh-listen | --http-listen | --https-listen | --binary | --root | --prefix)
                [ -n "${2:-}" ] || usage_error "$1 needs a value"
                take_value "$1" "$2"
                shift
                ;;
            *) usage_error "there is no option $1" ;;
        esac
        shift
    done
    [ -z "$PURGE" ] || [ -n "$UNINSTALL" ] || usage_error "--purge goes with --uninstall only"
}

take_value() {
    case $1 in
        --key) KEY_FILES+=("$2") ;;
        --binary) BINARY=$(realpath -- "$2") ;;
        --root) ROOT=$(realpath -m -- "$2") ;;
        --prefix) PREFIX=$(realpath -m -- "$2") ;;
        *)
            # These end up in a settings file, between quotes.
            [[ $2 =~ ^[][A-Za-z0-9.:_-]+$ ]] || usage_error "$1 $2: this is no address and no domain"
            ;;&
        --domain) DOMAIN=$2 ;;
        --ssh-listen) SSH_LISTEN=$2 ;;
        --http-listen) HTTP_LISTEN=$2 ;;
        --https-listen) HTTPS_LISTEN=$2 ;;
    esac
}

install_slipway() {
    require_root "installing Slipway"
    ensure_commands git=git ssh=openssh-client
    ensure_binary
    write_settings
    ensure_server
    add_keys
}

main() {
    trap 'unexpected_failure $? "$BASH_COMMAND" "${BASH_SOURCE[0]##*/}, line $LINENO"' ERR
    parse_options "$@"
    if [ -n "$UNINSTALL" ]; then
        uninstall
        return
    fi
    ensure_engine
    ensure_base_image
    [ -z "$ENGINE_ONLY" ] || return 0
    install_slipway
    if [ -n "$DEMO" ]; then
        run_demo
    fi
}

main "$@"
