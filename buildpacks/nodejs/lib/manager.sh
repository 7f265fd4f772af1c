# The package manager: which one the source is for, in which version, and how it gets to $NODE_HOME. To be sourced.
# shellcheck shell=bash

# Finds the one lock file: $LOCK (empty if there is none) and $MANAGER.
choose_manager() {
    local file named found=()
    for file in npm-shrinkwrap.json package-lock.json yarn.lock pnpm-lock.yaml; do
        [ ! -f "$BUILD_DIR/$file" ] || found+=("$file")
    done
    # Of npm's two, npm reads the first.
    if [ "${found[*]}" = "npm-shrinkwrap.json package-lock.json" ]; then found=(npm-shrinkwrap.json); fi
    [ ${#found[@]} -le 1 ] \
        || fail "There are lock files of several package managers: ${found[*]}" "Keep the one that you use, and remove the others"
    LOCK=${found[0]-}
    named=$(manifest .packageManager) named=${named%%@*}
    case $LOCK in
        yarn.lock) MANAGER=yarn ;;
        pnpm-lock.yaml) MANAGER=pnpm ;;
        '') MANAGER=${named:-npm} ;;
        *) MANAGER=npm ;;
    esac
    case $MANAGER in npm | yarn | pnpm) ;; *) fail "packageManager in package.json is $MANAGER, which is not known here" "Use npm, yarn or pnpm" ;; esac
    [ -z "$named" ] || [ "$named" = "$MANAGER" ] \
        || fail "packageManager in package.json is $named, but the lock file is $LOCK" "Run $named install and keep its lock file, or change packageManager"
}

# Yarn from 2 on has another kind of lock file, and other commands.
is_berry() {
    [ "$MANAGER" = yarn ] && { grep --quiet '^__metadata:' "$BUILD_DIR/yarn.lock" 2>/dev/null || [ -f "$BUILD_DIR/.yarnrc.yml" ]; }
}

# The range of versions of a manager that package.json asks for.
wanted_manager() {
    local named
    named=$(manifest .packageManager)
    if [ "${named%%@*}" = "$1" ] && [[ $named = *@* ]]; then
        named=${named#*@}
        echo "${named%%+*}"
    else
        manifest ".engines.$1"
    fi
}

# Where nobody asks: the npm that comes with this Node; the others by what their lock files say.
usual_version() {
    case $1 in
        npm) cat "$CACHE_DIR/node/$NODE_VERSION/npm" 2>/dev/null || true ;;
        yarn) echo "^1.22" ;;
        @yarnpkg/cli-dist)
            case $(sed -n '/^__metadata:/,/^$/s/^ *version: *//p' "$BUILD_DIR/yarn.lock" 2>/dev/null) in
                4 | 5) echo "^2 || ^3" ;;
                6) echo ^3 ;;
                *) echo ^4 ;;
            esac ;;
        pnpm)
            case $(sed -n "s/^lockfileVersion: *'\{0,1\}\([0-9]*\).*/\1/p" "$BUILD_DIR/pnpm-lock.yaml" 2>/dev/null) in
                5) echo ^7 ;;
                6) echo ^8 ;;
                *) echo ^10 ;;
            esac ;;
    esac
}

install_managers() {
    install_manager npm npm
    case $MANAGER in
        pnpm) install_manager pnpm pnpm ;;
        yarn)
            if ! is_berry; then
                install_manager yarn yarn
            elif grep --quiet '^yarnPath:' "$BUILD_DIR/.yarnrc.yml" 2>/dev/null; then
                install_yarn_of_source
            else
                install_manager yarn @yarnpkg/cli-dist
            fi ;;
    esac
    MANAGER_VERSION=${INSTALLED:-$(cd "$BUILD_DIR" && yarn --version)}
    detail "$MANAGER $MANAGER_VERSION"
}

# A Yarn that is part of the source.
install_yarn_of_source() {
    local path
    path=$(sed -n 's/^yarnPath: *//p' "$BUILD_DIR/.yarnrc.yml" | tr -d "\"'")
    [ -f "$BUILD_DIR/$path" ] || fail ".yarnrc.yml names $path, which is not in the source" "Commit it, or name a version in packageManager in package.json"
    INSTALLED=
    printf '#!/bin/sh\nexec node "%s" "$@"\n' "$BUILD_DIR/$path" >"$NODE_HOME/bin/yarn"
    chmod +x "$NODE_HOME/bin/yarn"
}

# Brings the package $2 of the manager $1 to $NODE_HOME, as npm would install it there. The cache holds it as an archive,
# which is faster to copy than two thousand files.
install_manager() {
    local name=$1 package=$2 wanted folder="$NODE_HOME/lib/node_modules/$2" command path
    wanted=$(wanted_manager "$name")
    mkdir -p "$folder"
    if ! restore_manager "$package" "$wanted" "$folder"; then
        choose_manager_version "$package" "${wanted:-$(usual_version "$package")}" "$name"
        registry_unpack "$SCRATCH/manager.json" "$INSTALLED" "$folder"
        (cd "$folder" && rm -rf docs man html changelogs ./*.md)
        install_native_part "$package" "$folder"
        keep_manager "$package" "$wanted" "$folder"
    fi
    while IFS=$'\t' read -r command path; do
        ln -sf "../lib/node_modules/$package/${path#./}" "$NODE_HOME/bin/$command"
        chmod +x "$folder/$path"
    done < <(jq --raw-output '.bin | if type == "string" then {} else . end | to_entries[] | [.key, .value] | @tsv' "$folder/package.json")
}

# From version 12 on pnpm is a binary in a package of its own for each platform, which the package's own program puts in
# its place. Without it pnpm would fetch one by itself at its first run, and ask the registry for more than mirrors have.
install_native_part() {
    local package=$1 folder=$2 platform native
    platform=$(node_package)
    native="@$package/exe.${platform#node-}"
    [ -n "$(jq --raw-output --arg native "$native" '.optionalDependencies[$native] // empty' "$folder/package.json")" ] || return 0
    registry_package "$native" "$SCRATCH/native.json" \
        || fail "$native could not be looked up: $FETCH_ERROR" "Check that this host can reach it, then push again"
    registry_unpack "$SCRATCH/native.json" "$INSTALLED" "$folder/node_modules/$native"
    (cd "$folder" && node install.js) || fail "$package $INSTALLED could not be set up" "Push again; if it stays, write another version to packageManager in package.json"
}

# What was chosen for this Node and this wish stays until one of them changes.
restore_manager() {
    local kept="$CACHE_DIR/managers/$1"
    if [ "$(head -n 2 "$kept/chosen" 2>/dev/null)" = "$(printf '%s\n' "$NODE_VERSION" "$2")" ]; then
        INSTALLED=$(tail -n 1 "$kept/chosen")
        ! tar --extract --zstd --file "$kept/package.tar.zst" --directory "$3" 2>/dev/null || return 0
    fi
    rm -rf "$kept" "${3:?}"/*
    return 1
}

keep_manager() {
    local kept="$CACHE_DIR/managers/$1"
    mkdir -p "$kept"
    tar --create --file - --directory "$3" . | zstd --quiet -1 -o "$kept/package.tar.zst"
    printf '%s\n' "$NODE_VERSION" "$2" "$INSTALLED" >"$kept/chosen"
}

# Puts the version of a manager into $INSTALLED.
choose_manager_version() {
    local package=$1 wanted=$2 name=$3 list="$SCRATCH/manager.json"
    registry_package "$package" "$list" \
        || fail "$name could not be looked up: $FETCH_ERROR" "Check that this host can reach it, then push again"
    if [ -n "$wanted" ]; then
        INSTALLED=$(package_versions "$list" | semver_newest "$wanted")
    else
        INSTALLED=$(newest_for_node "$list")
    fi
    [ -n "$INSTALLED" ] || fail "$name $wanted cannot be had" \
        "These can: $(package_versions "$list" | semver_newest_of_each | head -n 8 | paste --serial --delimiters , | sed 's/,/, /g'); write one of them to package.json (packageManager or engines.$name)"
}

# The newest version that says it runs on this Node.
newest_for_node() {
    jq --raw-output -L "$SEMVER_FOLDER" --arg node "$NODE_VERSION" 'import "semver" as semver;
        [.versions[] | select((.engines.node? // "*") as $wanted | [$node] | semver::newest($wanted))] | map(.version) | semver::newest("*") // empty' "$1"
}
