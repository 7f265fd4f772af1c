# Installs what the app depends on into PYTHON.
# shellcheck shell=bash

install_dependencies() {
    local begun=$EPOCHREALTIME
    export PATH="$PYTHON/bin:$PATH" VIRTUAL_ENV=$PYTHON UV_PROJECT_ENVIRONMENT=$PYTHON
    case $MANAGER in
        pip) install_requirements ;;
        pipenv) install_pipfile ;;
        poetry) install_poetry ;;
        uv) install_uv_lock ;;
        project) install_project ;;
        setup) install_with_uv "setup.py" --editable . ;;
        none) step "Nothing to install: no requirements.txt, pyproject.toml or lock file" && return ;;
    esac
    detail "Installed ($(seconds_since "$begun"))"
}

# uv reads requirements.txt as pip does; where a file or a variable asks for something that only pip does, it is pip.
install_requirements() {
    local needed
    needed=$(needs_pip)
    uv pip install --quiet --no-config "pip==$PIP_VERSION" || fail "pip cannot be had from the package index" "$(advice_for_fetch /dev/null)"
    if [ -n "$needed" ]; then
        step "Installing from requirements.txt with pip, for $needed"
        run_logged pip install --exists-action w --src "$PYTHON/src" --requirement requirements.txt || failed_installation requirements.txt
    else
        install_with_uv requirements.txt --requirements requirements.txt "pip==$PIP_VERSION"
    fi
}

# The first thing that only pip knows.
needs_pip() {
    local options='--(pre|trusted-host|prefer-binary|use-feature|config-settings|global-option|use-pep517|no-use-pep517)\b'
    find . -maxdepth 3 -name '*requirements*.txt' -not -path './.heroku/*' -print0 | xargs --null --no-run-if-empty \
        grep -hoE -- "(^|[[:space:]])$options" | tr -d ' ' | head -n 1
    # Variables of pip that have no counterpart in pip_variables.
    env | grep -oE '^PIP_[A-Z_]+' | sed 's/^PIP_//' \
        | grep -vxE '(EXTRA_)?INDEX_URL|FIND_LINKS|NO_INDEX|CONSTRAINT|CERT|(DEFAULT_)?TIMEOUT|RETRIES|NO_INPUT|(NO_)?CACHE_DIR|PROGRESS_BAR|DISABLE_PIP_VERSION_CHECK|ROOT_USER_ACTION|NO_WARN_SCRIPT_LOCATION' \
        | head -n 1 | sed 's/^/PIP_/'
    return 0
}

# What is not asked for any more goes: the environment may be the last build's.
install_with_uv() {
    local from=$1
    shift
    step "Installing from $from"
    run_logged uv pip install --exact --index-strategy unsafe-best-match "$@" || failed_installation "$from"
}

install_pipfile() {
    [ -f Pipfile ] || fail "There is a Pipfile.lock, but no Pipfile" "Commit the Pipfile"
    if [ "$RESTORED" = no ]; then
        install_tool pipenv "$PIPENV_VERSION"
        pipenv verify >"$CACHE/log" 2>&1 || disagrees Pipfile.lock Pipfile "pipenv lock"
        pipenv requirements --hash >"$CACHE/locked.txt"
    fi
    install_with_uv Pipfile.lock --requirements "$CACHE/locked.txt" "pip==$PIP_VERSION"
}

# Poetry says what its lock file holds, and uv installs it: from the package index that the build uses.
install_poetry() {
    local packages=(--requirements "$CACHE/locked.txt")
    [ -f pyproject.toml ] || fail "There is a poetry.lock, but no pyproject.toml" "Commit the pyproject.toml"
    if [ "$RESTORED" = no ]; then
        install_tool poetry "$POETRY_VERSION" "poetry-plugin-export==$POETRY_EXPORT_VERSION"
        poetry export --only main --with-credentials --output "$CACHE/locked.txt" >"$CACHE/log" 2>&1 \
            || disagrees poetry.lock pyproject.toml "poetry lock"
    fi
    [ "$(toml_get pyproject.toml tool poetry package-mode)" = False ] || packages+=(--editable .)
    install_with_uv poetry.lock "${packages[@]}"
}

disagrees() {
    indent <"$CACHE/log"
    fail "$1 was not made from this $2" "Run: $3; then commit $1"
}

install_uv_lock() {
    [ -f pyproject.toml ] || fail "There is a uv.lock, but no pyproject.toml" "Commit the pyproject.toml"
    step "Installing from uv.lock"
    run_logged uv sync --locked --no-default-groups || failed_installation uv.lock
}

install_project() {
    warn "There is no lock file: each new installation takes the newest versions that pyproject.toml allows" "Run: uv lock; then commit uv.lock"
    if toml_has pyproject.toml build-system; then
        install_with_uv pyproject.toml --editable .
    else
        install_with_uv pyproject.toml --requirements pyproject.toml
    fi
}

failed_installation() {
    if grep -q 'lockfile .*needs to be updated' "$LOG"; then
        fail "$1 was not made from this pyproject.toml" "Run: uv lock; then commit $1"
    fi
    fail "What $1 asks for cannot be installed" "$(advice_for_fetch "$LOG")"
}

# Takes away what is not needed to run, and compiles the rest, so that the first request need not.
slim_environment() {
    local packages
    packages=$(echo "$PYTHON"/lib/python3*/site-packages)
    find "$packages" -mindepth 2 -type d -name tests -not -path '*/tests/*' -prune -exec sh -c '
        for directory; do ls "$directory" | grep -qE "^(test_.*|conftest)\.py$" && rm -rf "$directory"; done; true' sh {} +
    "$PYTHON/bin/python" -m compileall -q -j 0 -x "site-packages/pip/" --invalidation-mode unchecked-hash "$packages" >/dev/null 2>&1 || true
}
