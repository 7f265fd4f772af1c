# What the buildpacks of compiled languages share. To be sourced after common.sh.
# shellcheck shell=bash source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/time.sh"

# Runs a program with its output below the step, and a copy of it in a file for who explains a failure.
logged() {
    local log=$1
    shift
    "$@" 2>&1 | tee "$log" | indent
}

# Whether the first version is at least the second: numbers and dots.
at_least() {
    [ "$(printf '%s\n' "$1" "$2" | sort --version-sort | tail -n 1)" = "$1" ]
}


# Says what was built, and what is missing when nothing says which of it is the website.
report_programs() {
    local build=$1 names=$2 name
    for name in $names; do
        detail "bin/$name ($(du --human-readable --apparent-size "$build/bin/$name" | cut -f 1))"
    done
    if [ ! -f "$build/Procfile" ] && [ "$(wc -w <<<"$names")" != 1 ]; then
        warn "Several programs, and nothing says which one is the website" \
            "Write a Procfile with a line such as: web: bin/${names%%$'\n'*}"
    fi
}

# What bin/release says: the only program of a list of names is the website.
release_programs() {
    local names
    names=$(cat "$1" 2>/dev/null || true)
    if [ "$(wc -w <<<"$names")" = 1 ]; then
        printf 'default_process_types:\n  web: bin/%s\n' "$names"
    else
        echo 'default_process_types: {}'
    fi
}
