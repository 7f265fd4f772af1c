# The environment of the last build, which is used again as long as nothing that decides about it has changed.
# shellcheck shell=bash

# What decides about it: the versions, the files that say what is needed, and the variables that say from where.
environment_key() {
    {
        echo "$MANAGER $INTERPRETER_KEY $UV_VERSION $POETRY_VERSION $PIPENV_VERSION $PIP_VERSION $STACK"
        /usr/bin/python3 -VV
        env | grep -E '^(PIP|UV|POETRY|PIPENV)_' | sort
        cat "$PACK"/lib/*.sh
        find . -maxdepth 4 \( -name node_modules -o -name .heroku \) -prune -o -type f \
            \( -name '*.txt' -o -name '*.in' -o -name '*.toml' -o -name '*.lock' -o -name 'Pipfile*' -o -name 'setup.*' \) \
            -print0 | sort --zero-terminated | xargs --null --no-run-if-empty sha256sum
    } | sha256sum | cut -d ' ' -f 1
}

# Wheels that are not as the last build left them are thrown away: uv does not look into what it has unpacked.
check_wheels() {
    [ -d "$CACHE/wheels" ] || return 0
    [ "$(cache_digest "$CACHE/wheels")" = "$(cat "$CACHE/wheels.digest" 2>/dev/null)" ] || rm -rf "$CACHE/wheels"
}

# Puts it back, or makes an empty one.
restore_environment() {
    local begun=$EPOCHREALTIME
    KEY=$(environment_key) RESTORED=no
    if [ "$(head -n 1 "$CACHE/environment.key" 2>/dev/null)" = "$KEY" ] \
        && (cd "$CACHE" && sha256sum --check --status environment.sum) 2>/dev/null \
        && tar -xf "$CACHE/environment.tar" -C .heroku && "$PYTHON/bin/python" -c '' 2>/dev/null; then
        RESTORED=yes
        step "Using what the last build installed, from the cache ($(seconds_since "$begun"))"
        return
    fi
    rm -rf .heroku/python .heroku/python-standalone "$CACHE"/environment.* "$CACHE/locked.txt"
    [ -n "$INTERPRETER" ] || install_standalone
    uv venv --quiet --no-config --python "$INTERPRETER" "$PYTHON"
}

# Keeps it for the next build; written aside first, so that an interrupted build leaves none rather than half of one.
keep_environment() {
    local begun=$EPOCHREALTIME kept=(python)
    mkdir -p "$CACHE/wheels"
    # They are of all versions that there ever were; now and then they begin anew.
    [ "$(du --summarize --block-size=1M "$CACHE/wheels" | cut -f 1)" -lt 2000 ] || rm -rf "$CACHE/wheels"/*
    cache_digest "$CACHE/wheels" >"$CACHE/wheels.digest"
    [ "$RESTORED" = no ] || return 0
    [ ! -d .heroku/python-standalone ] || kept+=(python-standalone)
    tar -cf "$CACHE/environment.tar" -C .heroku "${kept[@]}"
    (cd "$CACHE" && sha256sum environment.tar >environment.sum)
    [ ! -f "$CACHE/locked.txt" ] || (cd "$CACHE" && sha256sum locked.txt >>environment.sum)
    echo "$KEY" >"$CACHE/environment.key"
    step "Keeping what was installed for the next build ($(seconds_since "$begun"))"
}
