# Chooses a Go toolchain and brings it to the cache. To be sourced after common.sh and compiled.sh.
#
# Debian's signed packages hold every Go since 1.21, and 1.19; they are linked statically, so those of a later Debian
# run here too. They are unpacked, not installed. What Debian does not have, Go fetches itself, through GOPROXY and its
# checksum database (https://go.dev/doc/toolchain).
# shellcheck shell=bash

GO_SUITES=(bookworm bookworm-backports trixie trixie-backports)
# After so many days a toolchain is asked for again: there may be a newer patch.
GO_KEEP_DAYS=30

# What the source asks for: "exactly VERSION" or, as go.mod means it, "at-least VERSION".
go_wanted() {
    local versions
    versions=${GOVERSION:-$(go_mod_lines "$1" 's|^// \+heroku goVersion +||p')}
    if [ -n "$versions" ]; then
        versions=${versions%%$'\n'*}
        echo "exactly ${versions#go}"
        return
    fi
    versions=$(go_mod_lines "$1" 's/^(go[ \t]+|toolchain[ \t]+go)([0-9][0-9a-z.]*).*/\2/p' | sort --version-sort)
    echo "at-least ${versions##*$'\n'}"
}

# What a sed script prints of go.mod and go.work.
go_mod_lines() {
    local file
    for file in "$1/go.mod" "$1/go.work"; do
        [ ! -f "$file" ] || sed --quiet --regexp-extended "$2" "$file" | tr --delete '\r'
    done
}

# apt for an unprivileged user, with lists of its own in a folder.
go_apt() {
    local program=$1 home=$2
    shift 2
    "$program" -o Dir::Etc::SourceList="$home/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$home/lists" -o Dir::Cache="$home/cache" -o Acquire::Languages=none \
        -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@"
}

# Reads Debian's lists, and prints which Go there is, the oldest first, as lines such as "1.23 1.23.5".
go_of_debian() {
    local home=$1 mirror suite names
    mkdir -p "$home/lists/partial" "$home/cache/archives/partial"
    mirror=$(grep --no-filename --only-matching --extended-regexp 'https?://[^ ]+' \
        /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true)
    mirror=${mirror%%$'\n'*}
    for suite in "${GO_SUITES[@]}"; do
        echo "deb ${mirror:-http://deb.debian.org/debian} $suite main"
    done >"$home/sources.list"
    # A suite that is gone does not matter while another holds what is wanted.
    go_apt apt-get "$home" update >"$home/log" 2>&1 || true
    names=$(go_apt apt-cache "$home" search --names-only '^golang-1\.[0-9]+-go$' | cut --delimiter ' ' --fields 1)
    # shellcheck disable=SC2086 # A name each.
    [ -z "$names" ] || go_apt apt-cache "$home" madison $names \
        | sed --quiet --regexp-extended 's/^ *golang-(1\.[0-9]+)-go \| +([0-9.]+).*/\1 \2/p' | sort --version-sort --unique
}

# Of such lines on stdin, the one to take: the lowest that will do, or the newest if nothing is asked for.
go_choose() {
    local how=$1 wanted=$2 minor version chosen=
    while read -r minor version; do
        if [ -z "$wanted" ]; then
            chosen="$minor $version"
        elif [ "$how" = exactly ]; then
            [ "$wanted" != "$minor" ] && [ "$wanted" != "$version" ] || chosen="$minor $version"
        elif [ -z "$chosen" ] && at_least "$version" "$wanted"; then
            chosen="$minor $version"
        fi
    done
    echo "$chosen"
}

# Unpacks Debian's Go of a minor version into a folder, without what only its own tests need.
go_unpack() {
    local home=$1 minor=$2 folder=$3 package
    (cd "$home" && go_apt apt-get "$home" download "golang-$minor-go" "golang-$minor-src") >"$home/log" 2>&1 \
        || go_unreachable "Go $minor" "$home/log"
    mkdir -p "$folder"
    for package in "$home"/golang-"$minor"-*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar --extract --directory "$folder" --exclude='./usr/share/doc' \
            --exclude="./usr/share/go-$minor/test" --exclude="./usr/share/go-$minor/api"
    done
    ln --symbolic "usr/lib/go-$minor" "$folder/go"
}

go_unreachable() {
    fail "$1 cannot be fetched: $(grep --max-count=1 '^[EW]:' "$2" || echo "no answer")" \
        "Check that this host reaches Debian's packages, then push again"
}

# Lets Go fetch a version of itself that Debian does not have.
go_fetches_itself() {
    local log=$1 version=$2 available=$3
    # From 1.21 on the first release of a minor version is called 1.21.0.
    [[ ! $version =~ ^1\.[0-9]+$ ]] || ! at_least "$version" 1.21 || version=$version.0
    detail "Debian does not have Go $version; asking ${GOPROXY:-$(go env GOPROXY)}" >&2
    (cd / && GOTOOLCHAIN=go$version timeout 300 go version) >"$log" 2>&1 || {
        indent <"$log" >&2
        fail "Go $version cannot be had" \
            "These can: $(cut --delimiter ' ' --fields 2 <<<"$available" | paste --serial --delimiters ' '); write one of them to go.mod, such as: go ${available##* }"
    }
    echo "go$version"
}

# Whether the cache holds what is wanted, and not for so long that there may be a newer one.
go_is_cached() {
    local folder=$1 wanted=$2
    [ -f "$folder/wanted" ] && [ "$(cat "$folder/wanted")" = "$wanted" ] \
        && [ -z "$(find "$folder/wanted" -mtime "+$GO_KEEP_DAYS")" ] && "$folder/go/bin/go" version >/dev/null 2>&1
}

# Brings the toolchain that is wanted to a folder of the cache.
go_install() {
    local folder=$1 how=$2 wanted=$3 home available chosen
    home=$(mktemp --directory)
    available=$(go_of_debian "$home")
    [ -n "$available" ] || go_unreachable "Go ${wanted-}" "$home/log"
    chosen=$(go_choose "$how" "$wanted" <<<"$available")
    rm -rf "$folder"
    go_unpack "$home" "$(cut --delimiter ' ' --fields 1 <<<"${chosen:-${available##*$'\n'}}")" "$folder"
    if [ -n "$chosen" ]; then
        echo local >"$folder/chosen"
    else
        PATH=$folder/go/bin:$PATH go_fetches_itself "$home/log" "$wanted" "$available" >"$folder/chosen"
    fi
    echo "$how $wanted" >"$folder/wanted"
    rm -rf "$home"
}

# Sets PATH and GOTOOLCHAIN to a toolchain that fits the source.
use_go() {
    local build=$1 folder=$2 wanted begun=$EPOCHREALTIME
    wanted=$(go_wanted "$build")
    if go_is_cached "$folder" "$wanted"; then
        step "Using Go from the cache"
    else
        step "Installing Go (${wanted/at-least/at least})"
        go_install "$folder" "${wanted% *}" "${wanted#* }"
        detail "done in $(seconds_since "$begun")"
    fi
    export PATH=$folder/go/bin:$PATH GOTOOLCHAIN
    GOTOOLCHAIN=$(cat "$folder/chosen")
    detail "$(cd / && go version)"
}
