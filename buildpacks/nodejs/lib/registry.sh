# The registry of npm packages, from which Node and the package managers come: the one that the app's own settings name.
# To be sourced.
# shellcheck shell=bash

# A setting of the app's .npmrc, with ${NAME} replaced as npm does.
npmrc() {
    [ -f "$BUILD_DIR/.npmrc" ] || return 0
    local line name
    line=$(grep --perl-regexp "^\s*\Q$1\E\s*=" "$BUILD_DIR/.npmrc" | tail -n 1 | sed 's/^[^=]*=[ \t]*//; s/[ \t\r]*$//')
    while [[ $line =~ \$\{([A-Za-z_][A-Za-z0-9_]*)\} ]]; do
        name=${BASH_REMATCH[1]}
        line=${line//"\${$name}"/${!name-}}
    done
    printf '%s' "${line//\"/}"
}

# Its address, without the slash at the end.
registry() {
    local address=${NPM_CONFIG_REGISTRY:-${npm_config_registry:-$(npmrc registry)}}
    address=${address:-https://registry.npmjs.org}
    echo "${address%/}"
}

# Fetches an address of the registry into a file. Says what stands in the way: the host and the status.
# Credentials go through a file, so that no list of processes shows them.
registry_fetch() {
    local address=$1 file=$2 status token='' host
    shift 2
    host=${address#*://} host=${host%%/*}
    # They are for the registry, not for another host that it sends us to.
    [[ $address != "$(registry)/"* ]] || token=$(npmrc "//$(registry | sed 's,^[^/]*//,,')/:_authToken")
    status=$({ [ -z "$token" ] || printf 'header = "Authorization: Bearer %s"\n' "$token"; } \
        | curl --config - --silent --show-error --location --connect-timeout 10 --speed-limit 1000 --speed-time 20 \
            --retry 1 --output "$file" --write-out '%{http_code}' "$@" "$address" 2>"$SCRATCH/curl") && [ "$status" = 200 ] && return
    rm -f "$file"
    [ "$status" = 000 ] && FETCH_ERROR="$host: $(sed -n 's/^curl: ([0-9]*) //p' "$SCRATCH/curl" | tail -n 1)" \
        || FETCH_ERROR="$host answers with status $status"
    return 1
}

# What the registry knows of a package, in its short form, into a file.
registry_package() {
    registry_fetch "$(registry)/${1/\//%2f}" "$2" --compressed --header "Accept: application/vnd.npm.install-v1+json"
}

# Versions that a package's file of registry_package lists.
package_versions() {
    jq --raw-output '.versions | keys[]' "$1"
}

# Fetches a version of a package, compares it with what the registry says it is, and unpacks it into a folder. Further
# arguments go to tar.
registry_unpack() {
    local file=$1 version=$2 folder=$3 name
    name=$(jq --raw-output .name "$file")
    registry_fetch "$(jq --raw-output --arg v "$version" '.versions[$v].dist.tarball' "$file")" "$SCRATCH/package.tgz" \
        || fail "$name $version could not be fetched: $FETCH_ERROR" "Check that this host can reach it, then push again"
    intact "$file" "$version" "$SCRATCH/package.tgz" \
        || fail "$name $version arrived damaged" "Push again; if it stays, look at what stands between this host and $(registry)"
    mkdir -p "$folder"
    tar --extract --gzip --file "$SCRATCH/package.tgz" --directory "$folder" --strip-components 1 --no-same-owner "${@:4}"
    rm "$SCRATCH/package.tgz"
}

intact() {
    local wanted
    wanted=$(jq --raw-output --arg v "$2" '.versions[$v].dist | .integrity // "" | split(" ")[] | select(startswith("sha512-"))' "$1")
    if [ -n "$wanted" ]; then
        [ "${wanted#sha512-}" = "$(openssl dgst -sha512 -binary "$3" | base64 --wrap 0)" ]
    else
        [ "$(jq --raw-output --arg v "$2" '.versions[$v].dist.shasum' "$1")" = "$(sha1sum <"$3" | cut -d ' ' -f 1)" ]
    fi
}
