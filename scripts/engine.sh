# shellcheck shell=bash
# Gets a host a Docker engine and the image that everything is built on. Leaves alone what is there already.
# Needs say.sh. Talks to the engine with curl only, so no docker client is needed.

DOCKER_SOCKET=${SLIPWAY_DOCKER:-/var/run/docker.sock}
DOCKER_LOG=/var/log/dockerd.log
BASE_IMAGE_NAME=debian
BASE_IMAGE_TAG=bookworm-slim
APT_IS_FRESH=

require_root() {
    [ "$(id -u)" = 0 ] || fail "$1 needs root" "run the same command with sudo"
}

systemd_runs() {
    [ -d /run/systemd/system ] && [ -z "${NO_SYSTEMD:-}" ]
}

# ensure_commands COMMAND=PACKAGE…: installs the packages whose command is missing, from the distribution.
ensure_commands() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

install_packages() {
    step "Installing $*"
    command -v apt-get >/dev/null ||
        fail "this host has no apt-get" "install $* with its package manager, and run this again"
    require_root "installing packages"
    local options=(-q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    export DEBIAN_FRONTEND=noninteractive
    if [ -z "$APT_IS_FRESH" ]; then
        apt-get "${options[@]}" update >/dev/null ||
            fail "the package lists could not be fetched" "check the network and /etc/apt/sources.list*"
        APT_IS_FRESH=yes
    fi
    apt-get "${options[@]}" install --no-install-recommends "$@" </dev/null | sed -un 's/^Setting up/       &/p' ||
        fail "the packages could not be installed" "run 'apt-get install $*' and mend what it complains about"
}

# engine_request METHOD PATH [CURL OPTION…]: asks the engine; its answer goes to stdout.
engine_request() {
    local method=$1 path=$2
    shift 2
    curl -fsS --unix-socket "$DOCKER_SOCKET" -X "$method" "$@" "http://docker$path"
}

engine_answers() {
    engine_request GET /_ping --max-time 5 >/dev/null 2>&1
}

ensure_engine() {
    [ -e /etc/ssl/certs/ca-certificates.crt ] || install_packages ca-certificates
    ensure_commands curl=curl
    if engine_answers; then
        step "Docker is running"
    else
        ensure_commands dockerd=docker.io iptables=iptables
        start_engine
    fi
    check_engine_version
}

start_engine() {
    step "Starting Docker"
    require_root "starting Docker"
    # The package may have started it just now.
    wait_for 3 engine_answers && return
    if systemd_runs; then
        systemctl enable --now docker >/dev/null 2>&1 ||
            fail "the docker service does not start" "see 'journalctl -u docker -n 30'"
    else
        start_engine_directly
    fi
    wait_for 60 engine_answers || {
        [ ! -e "$DOCKER_LOG" ] || tail -n 10 "$DOCKER_LOG" | indented >&2
        fail "Docker does not answer on $DOCKER_SOCKET" "see why in $DOCKER_LOG or 'journalctl -u docker'"
    }
}

# Without a service manager: a process of its own session, which outlives this script and its terminal.
start_engine_directly() {
    local pid_file=/var/run/docker.pid
    mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup ||
        warn "no control groups are mounted, and Docker needs them"
    # After a crash or in a copied container the file names some other process, and dockerd would refuse to start.
    if [ -e "$pid_file" ] && [ "$(cat "/proc/$(cat "$pid_file")/comm" 2>/dev/null)" != dockerd ]; then
        rm -f "$pid_file"
    fi
    setsid nohup dockerd --pidfile "$pid_file" >>"$DOCKER_LOG" 2>&1 </dev/null &
    detail "no systemd here: dockerd runs by itself, log $DOCKER_LOG, process id in $pid_file"
}

check_engine_version() {
    local version
    version=$(engine_request GET /version | sed -n 's/.*"ApiVersion":"\([0-9.]*\)".*/\1/p')
    [ "$(printf '%s\n' 1.41 "$version" | sort -V | sed -n 1p)" = 1.41 ] ||
        fail "this Docker speaks API version ${version:-unknown}; 1.41 is needed" "install Docker 20.10 or newer"
}

has_base_image() {
    engine_request GET "/images/$BASE_IMAGE_NAME:$BASE_IMAGE_TAG/json" >/dev/null 2>&1
}

ensure_base_image() {
    if has_base_image; then
        step "The image $BASE_IMAGE_NAME:$BASE_IMAGE_TAG is there"
        return
    fi
    step "Pulling $BASE_IMAGE_NAME:$BASE_IMAGE_TAG"
    # An engine that cannot reach the registry may try for minutes: 20 seconds without a byte are enough.
    engine_request POST "/images/create?fromImage=$BASE_IMAGE_NAME&tag=$BASE_IMAGE_TAG" \
        --speed-limit 1 --speed-time 20 >/dev/null 2>&1 || true
    has_base_image || {
        detail "no registry can be reached; making it from Debian packages instead"
        make_base_image
    }
}

make_base_image() {
    require_root "making the base image"
    ensure_commands debootstrap=debootstrap
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || install_packages debian-archive-keyring
    local work
    work=$(mktemp -d /var/tmp/slipway-base.XXXXXX)
    if build_base_image "$work"; then
        rm -rf "$work"
    else
        tail -n 15 "$work/log" | indented >&2
        rm -rf "$work"
        fail "the base image could not be made" "check that a Debian mirror can be reached (see /etc/apt/sources.list*)"
    fi
}

# Every command is checked by hand, since errexit does not work in a function that is called in a condition.
build_base_image() {
    local work=$1 root=$1/root mirror
    mirror=$(debian_mirror)
    step "Making $BASE_IMAGE_NAME:$BASE_IMAGE_TAG with debootstrap from ${mirror:-its own mirror} (a minute or two)"
    run_debootstrap "$root" "$mirror" 2>&1 | tee "$work/log" | grep --line-buffered -E '^[EW]:|Base system' | indented
    [ "${PIPESTATUS[0]}" = 0 ] || return 1
    slim_down "$root" || return 1
    step "Importing it into Docker"
    tar -C "$root" --numeric-owner -c . |
        engine_request POST "/images/create?fromSrc=-&repo=$BASE_IMAGE_NAME&tag=$BASE_IMAGE_TAG&changes=CMD%20%5B%22bash%22%5D" \
            -T - -H 'Content-Type: application/x-tar' -H 'Expect:' >>"$work/log" 2>&1 || return 1
    has_base_image
}

run_debootstrap() {
    local proxy
    proxy=$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null) || proxy=
    [ -z "$proxy" ] || export http_proxy=$proxy
    debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg bookworm "$1" ${2:+"$2"}
}

# The mirror that this host's own apt uses, if it is a Debian 12; else nothing, and debootstrap takes Debian's own.
debian_mirror() {
    local mirror
    # The dollar signs are apt's.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk '$1 == "bookworm" && $2 == "main" && $3 ~ /^https?:/ { print $3 }' | sed -n 1p) || mirror=
    printf '%s\n' "$mirror"
}

# Takes out what Debian's own slim image leaves out too, and what belongs to this host.
slim_down() {
    local root=$1
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*.log &&
        rm -rf "$root"/usr/share/{man,info,groff,lintian}/* &&
        find "$root/usr/share/doc" -mindepth 2 ! -name copyright ! -type d -delete &&
        find "$root/usr/share/locale" -mindepth 1 -maxdepth 1 ! -name locale.alias -exec rm -rf {} + &&
        rm -f "$root/etc/hostname" "$root/etc/resolv.conf" &&
        # Packages installed in a container must not start services there.
        printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" &&
        chmod 755 "$root/usr/sbin/policy-rc.d"
}
