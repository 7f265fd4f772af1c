# Files that are sent compressed are compressed once, here. To be sourced.
# shellcheck shell=bash

# Writes FILE.gz and FILE.br beside each file of a folder that gains from it. The cache holds them by the digest of the
# content, for that is what takes time.
compress_files() {
    local begun=$EPOCHREALTIME
    export FRESH="$CACHE_DIR/compressed.new" KEPT="$CACHE_DIR/compressed"
    rm -rf "$FRESH"
    mkdir -p "$FRESH" "$KEPT"
    (cd "$1" && find . -type f -not -path './node_modules/*' -not -path '*/.*' -print0 \
        | xargs --null --no-run-if-empty --max-procs "$(nproc)" --max-args 100 "$BUILDPACK/lib/compress")
    rm -rf "$KEPT"
    mv "$FRESH" "$KEPT"
    detail "took $(seconds_since "$begun")"
}
