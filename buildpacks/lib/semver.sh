# Chooses versions by npm's ranges. To be sourced after common.sh.
# shellcheck shell=bash

SEMVER_FOLDER=$(dirname "${BASH_SOURCE[0]}")

# The newest that fits a range, of the versions on stdin (a line each); nothing if none does.
semver_newest() {
    jq --raw-input --null-input --raw-output -L "$SEMVER_FOLDER" --arg wanted "$1" \
        'import "semver" as semver; [inputs] | semver::newest($wanted) // empty'
}

# The newest of each major version, the highest first, of the versions on stdin: what an error names.
semver_newest_of_each() {
    jq --raw-input --null-input --raw-output -L "$SEMVER_FOLDER" \
        'import "semver" as semver; [inputs] | semver::newest_of_each[]'
}
