# What installs: uv for everything, with Poetry or Pipenv to read their lock files. All of it stays in the cache.
# shellcheck shell=bash disable=SC2034

UV_VERSION=0.13.8
POETRY_VERSION=2.5.1
POETRY_EXPORT_VERSION=1.10.1
PIPENV_VERSION=2026.10.3
PIP_VERSION=26.3

# Debian's pip installs uv, and uv installs the rest.
install_uv() {
    local begun=$EPOCHREALTIME folder=$CACHE/uv-$UV_VERSION
    if ! "$folder/bin/uv" --version >/dev/null 2>&1; then
        rm -rf "$CACHE"/uv-* "$CACHE/new"
        step "Installing uv $UV_VERSION"
        install_with_debians_pip "uv==$UV_VERSION" || exit
        mv "$CACHE/new" "$folder"
        detail "($(seconds_since "$begun"))"
    fi
    export PATH="$folder/bin:$PATH"
}

install_with_debians_pip() {
    local wheels=(/usr/share/python-wheels/pip-*.whl) log=$CACHE/pip.log
    if ! /usr/bin/python3 "${wheels[0]}/pip" install --quiet --no-input --disable-pip-version-check --no-cache-dir \
        --only-binary :all: --target "$CACHE/new" "$1" >"$log" 2>&1; then
        indent <"$log"
        fail "$1 cannot be had from the package index" "$(advice_for_fetch "$log")"
    fi
}

# Failing fetches are named at once.
use_bounds() {
    export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-20} UV_HTTP_RETRIES=${UV_HTTP_RETRIES:-1}
    export PIP_TIMEOUT=${PIP_TIMEOUT:-15} PIP_RETRIES=${PIP_RETRIES:-1}
    export POETRY_NO_INTERACTION=1 POETRY_CACHE_DIR=$CACHE/poetry PIPENV_VERBOSITY=-1 PIPENV_NOSPIN=1
    export UV_NO_PROGRESS=1 UV_LINK_MODE=copy UV_CACHE_DIR=$CACHE/wheels UV_PYTHON_CACHE_DIR=$CACHE/interpreters
    export PIP_CACHE_DIR=$CACHE/pip PIP_NO_INPUT=1
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off PYTHONUNBUFFERED=1 LANG=C.UTF-8
}

# pip's variables in uv's words. Not for uv.lock, which says itself where everything comes from.
pip_variables() {
    [ "$MANAGER" != uv ] || return 0
    [ -z "${PIP_INDEX_URL-}" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX-$PIP_INDEX_URL}
    [ -z "${PIP_EXTRA_INDEX_URL-}" ] || export UV_INDEX=${UV_INDEX-$PIP_EXTRA_INDEX_URL}
    [ -z "${PIP_FIND_LINKS-}" ] || export UV_FIND_LINKS=${UV_FIND_LINKS-${PIP_FIND_LINKS// /,}}
    [ -z "${PIP_NO_INDEX-}" ] || export UV_NO_INDEX=${UV_NO_INDEX-1}
    [ -z "${PIP_CONSTRAINT-}" ] || export UV_CONSTRAINT=${UV_CONSTRAINT-$PIP_CONSTRAINT}
}

# A tool, and what it needs besides, in an environment of its own, which the app's cannot disturb.
install_tool() {
    local name=$1 version=$2 begun=$EPOCHREALTIME
    local folder=$CACHE/$name-$version
    shift 2
    if ! "$folder/bin/$name" --version >/dev/null 2>&1; then
        rm -rf "$CACHE/$name"-*
        step "Installing $name $version"
        uv venv --quiet --no-config --python /usr/bin/python3 "$folder"
        run_logged env --unset=UV_INDEX_STRATEGY uv pip install --quiet --no-config --python "$folder/bin/python" "$name==$version" "$@" \
            || fail "$name cannot be had from the package index" "$(advice_for_fetch "$LOG")"
        detail "($(seconds_since "$begun"))"
    fi
    export PATH="$PATH:$folder/bin"
}

# Runs a program with its output below the step, and in LOG.
run_logged() {
    LOG=$CACHE/log
    "$@" 2>&1 | sed -u '/^Using Python .* environment at/d' | tee "$LOG" | indent
}

# What to do about a failed installation, from what was said. Addresses may hold a name and a password.
advice_for_fetch() {
    local host
    host=$(echo "${PIP_INDEX_URL-}" | cat - "$1" | sed -E 's,//[^/@ ]*@,//,g' | grep -oE 'https?://[A-Za-z0-9.:-]+' | tail -n 1)
    host=${host#*://}
    if grep -qiE 'HTTP status|failed to fetch|connect|resolve host|timed out|certificate|max retries' "$1"; then
        echo "Check that ${host:-the package index} can be reached from here, and what PIP_INDEX_URL or UV_DEFAULT_INDEX say"
    else
        echo "Mend what is said above"
    fi
}
