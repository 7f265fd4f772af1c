# Directories that are kept in CACHE_DIR between builds. To be sourced.
# shellcheck shell=bash
#
# Each is kept together with what it was made for and with a digest of its files' names and sizes: one that is for
# something else, or that is not whole, is as good as none.

# Of what is in a directory.
cache_digest() {
    (cd "$1" && find . ! -type d -printf '%p %s %l\n' | LC_ALL=C sort | sha256sum)
}

# cache_keep CACHE_DIR NAME PURPOSE DIRECTORY: keeps a copy.
cache_keep() {
    local kept=$1/$2 purpose=$3 directory=$4
    rm -rf "$kept" "$kept.new"
    [ -d "$directory" ] || return 0
    mkdir -p "$kept.new"
    cp -a "$directory" "$kept.new/files"
    printf '%s\n' "$purpose" >"$kept.new/purpose"
    cache_digest "$directory" >"$kept.new/digest"
    mv "$kept.new" "$kept"
}

# cache_take CACHE_DIR NAME PURPOSE DIRECTORY: brings the copy back; ends with 1 if there is none for this purpose.
cache_take() {
    local kept=$1/$2 purpose=$3 directory=$4
    [ -f "$kept/digest" ] && [ "$purpose" = "$(cat "$kept/purpose")" ] || return 1
    mkdir -p "$directory"
    cp -a "$kept/files/." "$directory"
    [ "$(cache_digest "$directory")" = "$(cat "$kept/digest")" ] && return
    rm -rf "$directory" "$kept"
    return 1
}
