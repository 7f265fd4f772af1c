# How long things took. To be sourced.
# shellcheck shell=bash

# Seconds since an $EPOCHREALTIME, with one decimal.
seconds_since() {
    local tenths=$(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 100000))
    echo "$((tenths / 10)).$((tenths % 10)) s"
}
