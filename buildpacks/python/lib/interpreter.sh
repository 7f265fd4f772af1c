# Which Python, and where it comes from.
# shellcheck shell=bash disable=SC2034

# Sets WANTED, what is asked for in uv's words (3.12, 3.12.4, >=3.10,<3.13; nothing if anything will do), and SAID_BY.
read_wanted() {
    WANTED='' SAID_BY=''
    local file key
    for file in runtime.txt .python-version; do
        if [ -f "$file" ] && [ -z "$WANTED" ]; then
            WANTED=$(sed -E 's/#.*//; s/^[[:space:]]*(c?python[-@]?)?//; s/[[:space:]]+$//; /^$/d' "$file" | head -n 1) SAID_BY=$file
            [[ $WANTED =~ ^[0-9]+(\.[0-9]+){0,2}t?$ ]] || fail "$file says $(head -n 1 "$file" | cut -c 1-60), which is no version of Python" \
                "Write a version like $(debians_python) to it"
        fi
    done
    [ -z "$WANTED" ] || return 0
    if [ "$MANAGER" = pipenv ]; then
        WANTED=$(jq --raw-output '._meta.requires | .python_full_version // .python_version // ""' Pipfile.lock 2>/dev/null) \
            || fail "Pipfile.lock is not valid JSON" "Run: pipenv lock; then commit Pipfile.lock"
        SAID_BY=Pipfile
    elif [ -f pyproject.toml ]; then
        SAID_BY=pyproject.toml
        for key in "project requires-python" "tool poetry dependencies python"; do
            # shellcheck disable=SC2086 # A path of keys.
            [ -n "$WANTED" ] || WANTED=$(toml_get pyproject.toml $key) || exit
        done
        WANTED=$(plain_ranges <<<"$WANTED")
    fi
}

# Poetry's ^3.10 and ~3.10 as ranges that everything understands.
plain_ranges() {
    sed -E 's/\^ *([0-9]+)((\.[0-9]+)*)/>=\1\2,<4/g; s/(^|,) *~ *([0-9]+)\.([0-9]+)(\.[0-9]+)?/\1>=\2.\3\4,==\2.\3.*/g; s/ +//g'
}

debians_python() {
    /usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# Makes the environment in PYTHON with what is wanted: Debian's if that will do, else a standalone build.
choose_interpreter() {
    read_wanted
    export UV_PYTHON_INSTALL_DIR=/app/.heroku/python-standalone UV_PYTHON_PREFERENCE=only-system
    if [ -z "$WANTED" ]; then
        INTERPRETER=/usr/bin/python3
        step "Using Python $(debians_python) (no .python-version says another)"
    else
        INTERPRETER=$(PATH=/usr/bin uv_find "$WANTED" 2>/dev/null) || INTERPRETER=''
        step "Using Python $WANTED, as $SAID_BY says"
    fi
    INTERPRETER_KEY=${INTERPRETER:-$WANTED}
}

uv_find() {
    "$CACHE/uv-$UV_VERSION/bin/uv" python find --no-config --system --no-python-downloads "$1"
}

# A standalone build, as uv installs them: from where they are published, or from UV_PYTHON_INSTALL_MIRROR.
install_standalone() {
    local begun=$EPOCHREALTIME
    step "Installing Python $WANTED"
    if ! exists_standalone; then
        fail "Python $WANTED cannot be had" "These can: $(debians_python), and as standalone builds $(standalone_versions); write one of them to ${SAID_BY/pyproject.toml/requires-python in pyproject.toml}"
    fi
    if ! UV_PYTHON_PREFERENCE=only-managed run_logged timeout 300 uv python install --no-config --no-bin "$WANTED"; then
        local host
        host=$(grep -oE 'https?://[^/` )]+' "$LOG" | head -n 1)
        fail "Python $WANTED cannot be had: ${host:-its publisher} could not be reached" \
            "This can be had without it: $(debians_python); write it to $SAID_BY, or set UV_PYTHON_INSTALL_MIRROR to a mirror of python-build-standalone"
    fi
    INTERPRETER=$(UV_PYTHON_PREFERENCE=only-managed uv python find --no-config "$WANTED") \
        || fail "Python $WANTED was installed, but it does not run here" "Write $(debians_python) to $SAID_BY, or choose another version"
    # What only those need who embed Python or build it.
    rm -rf "$UV_PYTHON_INSTALL_DIR"/*/{share,lib/*.a,lib/itcl*,lib/tcl*,lib/tk*,lib/thread*} \
        "$UV_PYTHON_INSTALL_DIR"/*/lib/python3*/{test,idlelib,turtledemo,lib2to3,tkinter,config-*}
    detail "($(seconds_since "$begun"))"
}

exists_standalone() {
    UV_PYTHON_PREFERENCE=only-managed uv python list --no-config --only-downloads --all-versions "$WANTED" 2>/dev/null | grep -q .
}

# 3.10, 3.12, …: what uv knows of.
standalone_versions() {
    UV_PYTHON_PREFERENCE=only-managed uv python list --no-config --only-downloads 2>/dev/null \
        | sed -nE 's/^cpython-(3\.[0-9]+)\.[0-9]+-.*/\1/p' | sort --unique --version-sort | commas
}
