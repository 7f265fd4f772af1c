# What the hooks and subcommands share. To be sourced; the working directory is the plugin's own.
#
#   enabled/APP          what each review app of APP gets: a line for each engine and each config var
#   reviews/APP/REVIEW   the branch that the app REVIEW is of
# shellcheck shell=sh

set -eu

# review_name APP BRANCH: the name of a branch's app. What no app's name may have becomes a dash, and a name that was
# changed or is long ends with a number made from the whole, so that two branches never share an app.
review_name() {
    plain=$(printf '%s' "$2" | tr '[:upper:]' '[:lower:]' | tr -c 'a-z0-9' '-' | sed 's/--*/-/g; s/^-//; s/-$//')
    name="$1-$plain"
    if [ "$plain" != "$2" ] || [ ${#name} -gt 55 ]; then
        name="$(printf '%.46s' "$name")-$(printf '%s' "$2" | cksum | cut -d ' ' -f 1 | cut -c 1-8)"
    fi
    printf '%s\n' "$name" | sed 's/--*/-/g'
}

# is_engine WORD: engines are written small, config vars large.
is_engine() {
    case $1 in
        *[!a-z0-9-]*) return 1 ;;
        *) return 0 ;;
    esac
}

# destroy_review APP REVIEW: takes away the app of a branch and what was made for it.
destroy_review() {
    ! slipway apps:exists "$2" >/dev/null 2>&1 || slipway --force apps:destroy "$2"
    if [ -f "reviews/$1/$2.engines" ]; then
        while read -r engine <&3; do
            ! slipway "$engine:exists" "$2" >/dev/null 2>&1 || slipway "$engine:destroy" --force --no-backup "$2"
        done 3<"reviews/$1/$2.engines"
    fi
    rm -f "reviews/$1/$2" "reviews/$1/$2.engines"
}
