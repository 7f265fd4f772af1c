# What the parts of the buildpack for Ruby need to know of a source. To be sourced.
# shellcheck shell=bash

# Whether Gemfile.lock of a directory names one of these gems.
locked() {
    local directory=$1 names
    shift
    names=$(IFS='|' && echo "$*")
    grep --quiet --extended-regexp "^ {4}($names) \(" "$directory/Gemfile.lock" 2>/dev/null
}
