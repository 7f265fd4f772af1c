# Installs the dependencies, builds, and prunes. To be sourced.
# shellcheck shell=bash

# Runs a program of the app, with what it says below the step and in $SCRATCH/log. npm adds its manual to some errors.
run() {
    (cd "$BUILD_DIR" && "$@" 2>&1) | tee "$SCRATCH/log" | sed -u '/^npm [^ ]* Clean install a project/,/^npm [^ ]* Run "npm help/d' | indent
}

# Runs a script of package.json, if there is one.
run_script() {
    [ -n "$(manifest ".scripts[\"$1\"]")" ] || return 0
    local begun=$EPOCHREALTIME
    step "Running the script $1"
    run "$MANAGER" run "$1" || fail "The script $1 in package.json failed" "What it said is above; try it with: $MANAGER run $1"
    detail "took $(seconds_since "$begun")"
}

# Whether packages that only the build needs are to be installed.
wants_development() {
    [ "${NPM_CONFIG_PRODUCTION:-false}" != true ] && [ "${YARN_PRODUCTION:-false}" != true ] \
        && [[ " ${NPM_CONFIG_OMIT-} $(npmrc omit) " != *" dev "* ]]
}

# What the package managers are told by their environment. The files of the source have the last word.
configure_managers() {
    export NODE_ENV=${NODE_ENV:-production} NPM_CONFIG_LOGLEVEL=${NPM_CONFIG_LOGLEVEL:-error}
    export NPM_CONFIG_CACHE="$CACHE_DIR/npm" NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_FUND=false NPM_CONFIG_AUDIT=false
    # A registry that does not answer is to be named now and not in minutes; npm's own files override this one.
    export NPM_CONFIG_GLOBALCONFIG="$SCRATCH/npmrc"
    printf '%s\n' fetch-retries=1 fetch-retry-mintimeout=1000 fetch-retry-maxtimeout=5000 fetch-timeout=30000 >"$SCRATCH/npmrc"
    export COREPACK_ENABLE_DOWNLOAD_PROMPT=0 YARN_ENABLE_TELEMETRY=0
    if is_berry; then
        configure_berry
    elif [ "$MANAGER" = yarn ]; then
        export YARN_CACHE_FOLDER="$CACHE_DIR/yarn"
    fi
}

# Plug'n'Play reads packages from Yarn's own cache, which must then be a part of the app.
configure_berry() {
    export YARN_ENABLE_GLOBAL_CACHE=false YARN_HTTP_RETRY=${YARN_HTTP_RETRY:-1} YARN_HTTP_TIMEOUT=${YARN_HTTP_TIMEOUT:-30000}
    export YARN_HTTPS_CA_FILE_PATH=${YARN_HTTPS_CA_FILE_PATH:-${NODE_EXTRA_CA_CERTS-}}
    [ -n "$YARN_HTTPS_CA_FILE_PATH" ] || unset YARN_HTTPS_CA_FILE_PATH
    LINKER=$(cd "$BUILD_DIR" && yarn config get nodeLinker)
    [ "$LINKER" = pnp ] || export YARN_CACHE_FOLDER="$CACHE_DIR/yarn"
}

# The command that installs exactly what the lock file says.
install_command() {
    case $MANAGER in
        npm) install_with_npm ;;
        pnpm)
            COMMAND=(pnpm install "--config.store-dir=$CACHE_DIR/pnpm" --reporter append-only)
            [ -z "$LOCK" ] && COMMAND+=(--no-frozen-lockfile) || COMMAND+=(--frozen-lockfile)
            if wants_development; then COMMAND+=(--prod=false); else COMMAND+=(--prod); fi
            [ -n "$(npmrc fetch-retries)" ] || COMMAND+=(--config.fetch-retries=1 --config.fetch-retry-mintimeout=1000)
            [ -n "$(npmrc fetch-timeout)" ] || COMMAND+=(--config.fetch-timeout=30000) ;;
        yarn)
            COMMAND=(yarn install)
            if is_berry; then
                [ -z "$LOCK" ] && COMMAND+=(--no-immutable) || COMMAND+=(--immutable)
                return
            fi
            COMMAND+=(--non-interactive --prefer-offline)
            [ -z "$LOCK" ] || COMMAND+=(--frozen-lockfile)
            grep --quiet '^network-timeout' "$BUILD_DIR/.yarnrc" 2>/dev/null || COMMAND+=(--network-timeout 30000)
            if wants_development; then COMMAND+=(--production=false); else COMMAND+=(--production=true); fi ;;
    esac
}

install_with_npm() {
    local major=${MANAGER_VERSION%%.*}
    if [ -n "$LOCK" ] && [ "${USE_NPM_INSTALL:-false}" != true ]; then COMMAND=(npm ci); else COMMAND=(npm install); fi
    if ((major >= 7)); then
        ! wants_development || COMMAND+=(--include=dev)
    elif wants_development; then
        COMMAND+=(--production=false)
    fi
    ((major < 7)) || [ "${NPM_CONFIG_PRODUCTION:-false}" != true ] || COMMAND+=(--omit=dev)
}

install_dependencies() {
    local begun=$EPOCHREALTIME COMMAND=()
    step "Installing dependencies with $MANAGER${LOCK:+ ($LOCK)}"
    if [ -z "$LOCK" ] && [ -d "$BUILD_DIR/node_modules" ]; then
        detail "node_modules is a part of the source: building its native modules only"
        run npm rebuild || explain_failure
        return
    fi
    [ ! -d "$BUILD_DIR/node_modules" ] || warn "node_modules is a part of the source; it is installed anew" "Take it out of git, and add it to .gitignore"
    if [ -z "$LOCK" ] && [ -z "$(manifest '[.dependencies, .devDependencies, .optionalDependencies, .workspaces] | map(values | length) | add')" ]; then
        detail "there are none"
        return
    fi
    [ -n "$LOCK" ] || warn "There is no lock file: every push installs the newest versions that package.json allows" \
        "Run $MANAGER install and commit the lock file that it writes"
    if restore_modules; then
        detail "nothing that decides about them has changed: from the cache, in $(seconds_since "$begun")"
        return
    fi
    install_command
    touch "$SCRATCH/before"
    run "${COMMAND[@]}" || explain_failure
    detail "took $(seconds_since "$begun")"
    keep_modules
}

# Takes out what only the build needed.
prune() {
    wants_development || return 0
    if [ "$NODE_ENV" != production ]; then
        step "Keeping devDependencies, as NODE_ENV is $NODE_ENV"
        return
    fi
    [ -d "$BUILD_DIR/node_modules" ] || [ "${LINKER-}" = pnp ] || return 0
    [ -n "$(manifest '.devDependencies | values | length | select(. > 0)')$(manifest .workspaces)" ] || [ -f "$BUILD_DIR/pnpm-workspace.yaml" ] || return 0
    [ -n "$LOCK" ] || [ "$MANAGER" = npm ] || return 0
    local begun=$EPOCHREALTIME COMMAND=()
    prune_command
    [ ${#COMMAND[@]} != 0 ] || return 0
    step "Removing devDependencies"
    run "${COMMAND[@]}" || fail "devDependencies could not be removed" "What $MANAGER said is above"
    detail "took $(seconds_since "$begun")"
}

prune_command() {
    case $MANAGER in
        npm) if ((${MANAGER_VERSION%%.*} >= 7)); then COMMAND=(npm prune --omit=dev --ignore-scripts); else COMMAND=(npm prune --production); fi ;;
        pnpm)
            if [ "${PNPM_SKIP_PRUNING:-false}" = true ] || grep --quiet '^packages:' "$BUILD_DIR/pnpm-workspace.yaml" 2>/dev/null; then return; fi
            # Without a terminal pnpm asks nobody whether it may replace node_modules.
            COMMAND=(env CI=true pnpm prune --prod "--config.store-dir=$CACHE_DIR/pnpm")
            ((${MANAGER_VERSION%%.*} < 9)) || COMMAND+=(--ignore-scripts) ;;
        yarn)
            if ! is_berry; then
                COMMAND=(yarn install --production=true --ignore-scripts --prefer-offline --frozen-lockfile --non-interactive)
            elif [ "${YARN2_SKIP_PRUNING:-false}" != true ] && ((${MANAGER_VERSION%%.*} >= 4)); then
                COMMAND=(yarn workspaces focus --all --production)
            fi ;;
    esac
}

# What package managers leave in the home directory, which is the app's.
tidy() {
    (cd "$BUILD_DIR" && rm -rf .npm .cache/node-gyp .cache/pnpm .cache/node .local/share/pnpm .local/state/pnpm .config/yarn .yarn/install-state.gz .yarn/unplugged/.cache \
        && find .yarn .cache .local .config -depth -type d -empty -delete 2>/dev/null) || true
}
