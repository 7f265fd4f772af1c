# What is kept of node_modules between builds. To be sourced.
#
# The cache holds what an install made, as one archive whose name is a digest of everything that decides about it. If the
# digest is the same, the package manager need not even run. Where an install also does things that depend on the source
# (scripts of the app itself, packages that are folders of it), it runs each time, with the manager's own cache.
# shellcheck shell=bash

modules_archive() {
    printf '%s/modules/%s.tar.zst' "$CACHE_DIR" "$({
        printf '%s\n' "$NODE_VERSION" "$MANAGER $MANAGER_VERSION" "$(uname -m)" "${STACK-}" "$(wants_development && echo development)"
        find "$ENV_DIR" -type f -printf '%f\0' -exec cat {} \; 2>/dev/null
        cd "$BUILD_DIR" || exit
        for file in package.json "$LOCK" Aptfile .npmrc .yarnrc .yarnrc.yml pnpm-workspace.yaml .pnpmfile.cjs; do
            [ ! -f "$file" ] || sha256sum "$file"
        done
        find patches .yarn/patches -type f -exec sha256sum {} + 2>/dev/null | sort
    } | sha256sum | cut -c 1-32)"
}

# Whether the files that the digest covers are all that an install depends on.
only_packages() {
    [ -n "$LOCK" ] && [ "${NODE_MODULES_CACHE:-true}" != false ] && ! is_berry || return 1
    [ -z "$(manifest .workspaces)" ] && ! grep --quiet '^packages:' "$BUILD_DIR/pnpm-workspace.yaml" 2>/dev/null || return 1
    [ -z "$(manifest '.scripts // {} | keys - (keys - ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare", "pnpm:devPreinstall", "dependencies"]) | .[0]')" ] || return 1
    ! grep --quiet --extended-regexp '["@ ](file|link|portal|workspace):' "$BUILD_DIR/$LOCK" "$BUILD_DIR/package.json" && [ ! -f "$BUILD_DIR/binding.gyp" ]
}

restore_modules() {
    only_packages || return 1
    local archive
    archive=$(modules_archive)
    [ -f "$archive" ] || return 1
    rm -rf "$BUILD_DIR/node_modules"
    tar --extract --zstd --file "$archive" --directory "$BUILD_DIR" 2>/dev/null && return
    rm -rf "$archive" "$BUILD_DIR/node_modules"
    warn "The cache was damaged; it is made anew"
    return 1
}

# Keeps node_modules, with whatever else an install has written (some packages fetch programs to .cache).
keep_modules() {
    rm -rf "$CACHE_DIR/modules"
    only_packages || return 0
    mkdir "$CACHE_DIR/modules"
    tidy
    (cd "$BUILD_DIR" && find . -path ./node_modules -prune -o -not -type d -cnewer "$SCRATCH/before" -printf '%P\0'
        [ ! -d "$BUILD_DIR/node_modules" ] || printf 'node_modules\0') >"$SCRATCH/made"
    (cd "$BUILD_DIR" && tar --create --file - --null --files-from "$SCRATCH/made" | zstd --quiet -1 -T0 -o "$CACHE_DIR/modules/new")
    mv "$CACHE_DIR/modules/new" "$(modules_archive)"
}

# The folders that package.json names in cacheDirectories, where build tools keep what they can use again.
own_caches() {
    [ "${NODE_MODULES_CACHE:-true}" = false ] || manifest '(.cacheDirectories // .cache_directories // [])[]' | grep --invert-match --extended-regexp '^/|(^|/)\.\.(/|$)|^(node_modules|bower_components)/?$' || true
}

restore_own_caches() {
    local folder
    while read -r folder; do
        [ -d "$CACHE_DIR/own/$folder" ] || continue
        mkdir -p "$BUILD_DIR/$folder"
        cp -R "$CACHE_DIR/own/$folder/." "$BUILD_DIR/$folder"
        detail "$folder (cacheDirectories) from the cache"
    done < <(own_caches)
}

keep_own_caches() {
    local folder
    rm -rf "$CACHE_DIR/own"
    while read -r folder; do
        [ -d "$BUILD_DIR/$folder" ] || continue
        mkdir -p "$CACHE_DIR/own/$folder"
        cp -R "$BUILD_DIR/$folder/." "$CACHE_DIR/own/$folder"
    done < <(own_caches)
}
