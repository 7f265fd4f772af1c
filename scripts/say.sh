# shellcheck shell=bash
# What the scripts say to a person: the same marks as Slipway's own output.

# A step that begins.
step() {
    printf -- '-----> %s\n' "$*"
}

# More about the step above.
detail() {
    printf '       %s\n' "$*"
}

# Something that is not as it should be, but stops nothing.
warn() {
    printf ' !     %s\n' "$*" >&2
}

# Ends the script: what failed, then in the last line what to do about it.
fail() {
    warn "$1"
    warn "To fix it: $2"
    exit 1
}

# Ends the script because of how it was called.
usage_error() {
    warn "$1"
    warn "See $(basename "$0") --help"
    exit 2
}

# Indents what another program prints, so that it reads as part of the step.
indented() {
    sed -u 's/^/       /'
}

# wait_for SECONDS COMMAND…: tries the command until it succeeds; fails when the time is over.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

# Called by the ERR trap: something failed that no step expected to fail.
unexpected_failure() {
    local status=$1 command=$2 place=$3
    warn "\`$command\` failed with status $status ($place)"
    warn "To fix it: see the lines above, and run the same command again; it goes on where it stopped"
    exit 1
}
