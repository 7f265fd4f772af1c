# Chooses a Rust toolchain. To be sourced after common.sh and compiled.sh.
#
# Debian's packages rustc-web and cargo-web are on the build image. What the source pins to something else, rustup brings
# to the cache from where it always does (RUSTUP_DIST_SERVER and RUSTUP_UPDATE_ROOT are respected).
# shellcheck shell=bash

# After so many days rustup is asked again what "stable" or "nightly" means.
RUST_KEEP_DAYS=7

# The channel that the source or the config var RUSTUP_TOOLCHAIN pins; nothing if neither does.
rust_wanted() {
    local file
    if [ -n "${RUSTUP_TOOLCHAIN-}" ]; then
        echo "$RUSTUP_TOOLCHAIN"
        return
    fi
    for file in "$1/rust-toolchain" "$1/rust-toolchain.toml"; do
        if [ -f "$file" ]; then
            # The old form is nothing but the channel.
            sed --quiet --regexp-extended 's/^[ \t]*channel *= *"([^"]+)".*/\1/p; t; s/^([a-z0-9][^ =\r]*)\r?$/\1/p' "$file"
            return
        fi
    done
}

rust_of_debian() {
    /usr/bin/rustc --version | cut --delimiter ' ' --fields 2
}

# Gets the toolchain with rustup; prints what went wrong and ends with 1 if it cannot.
rustup_install() {
    local build=$1 cache=$2 channel=$3 root
    root=${RUSTUP_UPDATE_ROOT:-${RUSTUP_DIST_SERVER:-https://static.rust-lang.org}/rustup}
    if [ ! -x "$CARGO_HOME/bin/rustup" ]; then
        curl --fail --silent --show-error --location --connect-timeout 15 --speed-limit 1000 --speed-time 30 \
            --output "$cache/rustup-init" "$root/dist/$(uname -m)-unknown-linux-gnu/rustup-init" 2>&1 \
            || { echo "$root does not answer" && return 1; }
        chmod +x "$cache/rustup-init"
        RUSTUP_INIT_SKIP_PATH_CHECK=yes "$cache/rustup-init" -y --quiet --no-modify-path --profile minimal \
            --default-toolchain none >"$cache/rustup-init.log" 2>&1 || { cat "$cache/rustup-init.log" && return 1; }
        rm "$cache"/rustup-init*
    fi
    # Without a name it is the file's, with the components and targets that the file lists.
    [ "$channel" != file ] || channel=
    # shellcheck disable=SC2086 # One word or none.
    (cd "$build" && RUSTUP_MAX_RETRIES=1 "$CARGO_HOME/bin/rustup" toolchain install $channel --profile minimal --no-self-update 2>&1)
}

# Whether rustup has brought the same to the cache not long ago.
rustup_is_cached() {
    [ "$(cat "$CARGO_HOME/brought" 2>/dev/null)" = "$1" ] \
        && [ -z "$(find "$CARGO_HOME/brought" -mtime "+$RUST_KEEP_DAYS")" ]
}

# Makes rustup's toolchain the one in PATH; ends with 1 if it cannot be had.
use_rustup() {
    local build=$1 cache=$2 channel=$3 key begun=$EPOCHREALTIME
    export RUSTUP_HOME=$cache/rustup
    key="$channel $(cat "$build"/rust-toolchain* 2>/dev/null | sha256sum)"
    if ! rustup_is_cached "$key"; then
        step "Installing Rust $channel with rustup"
        rm -f "$CARGO_HOME/brought"
        # What was there before is of no use any more.
        [ ! -d "$RUSTUP_HOME/toolchains" ] || rm -rf "$RUSTUP_HOME/toolchains" "$RUSTUP_HOME/update-hashes"
        if [ -z "${RUSTUP_TOOLCHAIN-}" ] && [ -n "$(rust_wanted "$build")" ]; then
            rustup_install "$build" "$cache" file | indent || return 1
        else
            rustup_install "$build" "$cache" "$channel" | indent || return 1
        fi
        echo "$key" >"$CARGO_HOME/brought"
        detail "done in $(seconds_since "$begun")"
    fi
    [ -n "$(rust_wanted "$build")" ] || export RUSTUP_TOOLCHAIN=$channel
    export PATH=$CARGO_HOME/bin:$PATH
}

# Puts the toolchain that fits the source into PATH.
use_rust() {
    local build=$1 cache=$2 channel debian
    channel=$(rust_wanted "$build")
    debian=$(rust_of_debian)
    if [ -z "$channel" ] || [ "$channel" = "$debian" ] || [ "$channel" = "${debian%.*}" ]; then
        step "Using Rust $debian of Debian"
    elif use_rustup "$build" "$cache" "$channel"; then
        step "Using $(cd "$build" && rustc --version) of rustup"
    elif [ "$channel" = stable ]; then
        warn "rustup cannot be had, so this is not the newest stable Rust but Debian's $debian"
    else
        fail "Rust $channel cannot be had: rustup does not bring it, see above" \
            "This can: $debian, which is Debian's; write it to rust-toolchain.toml, or make RUSTUP_DIST_SERVER an address that this host reaches"
    fi
}

# Where nothing is pinned: takes the newest stable Rust if a crate needs one newer than Debian's.
use_newer_rust() {
    local build=$1 cache=$2 needed
    [ -z "$(rust_wanted "$build")" ] || return 0
    needed=$(cargo metadata --format-version 1 --offline --filter-platform "$(uname -m)-unknown-linux-gnu" 2>/dev/null \
        | jq --raw-output '.packages[] | select(.rust_version) | "\(.rust_version) \(.name)"' | sort --version-sort || true)
    needed=${needed##*$'\n'}
    if [ -n "$needed" ] && ! at_least "$(rust_of_debian)" "${needed%% *}"; then
        detail "${needed#* } needs Rust ${needed%% *}"
        if use_rustup "$build" "$cache" stable; then
            step "Using $(rustc --version) of rustup"
        else
            warn "rustup cannot be had; trying with Debian's $(rust_of_debian)"
        fi
    fi
}
