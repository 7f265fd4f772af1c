# Functions that all buildpacks here share. To be sourced.
# shellcheck shell=bash

# A step, as Heroku's buildpacks show it.
step() {
    echo "-----> $*"
}

# What belongs to the step.
detail() {
    echo "       $*"
}

# The output of a program, below its step.
indent() {
    sed -u 's/^/       /'
}

warn() {
    printf ' !     %s\n' "$@"
}

# Ends the build: what is wrong, then what to do about it, a line each.
fail() {
    printf ' !     %s\n' "$@" >&2
    exit 1
}

# Puts the config vars of ENV_DIR into the environment, but for those that would break the build itself.
export_env() {
    local file name
    for file in "$1"/*; do
        name=${file##*/}
        case $name in
            PATH | HOME | GIT_DIR | CPATH | CPPATH | LD_PRELOAD | LIBRARY_PATH | LD_LIBRARY_PATH | STACK | BASH_ENV | ENV | '*') ;;
            # bash does not let these be set, or reads everything that follows in another way.
            UID | EUID | PPID | IFS | BASHOPTS | SHELLOPTS | BASH_VERSINFO) ;;
            *) [ ! -f "$file" ] || export "$name=$(cat "$file")" ;;
        esac
    done
}
