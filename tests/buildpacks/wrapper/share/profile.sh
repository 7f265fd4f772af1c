# shellcheck shell=bash
export PATH="/app/vendor/helper:$PATH"
# What the helper is told of the process it runs beside.
export HELPER_FOR="${DYNO%%.*}"
