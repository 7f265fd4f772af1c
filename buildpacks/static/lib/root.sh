# Where the pages are. To be sourced.
# shellcheck shell=bash

# shellcheck disable=SC2034 # Named in messages.
USUAL_ROOTS=(dist build public public_html _site out)

# Whether a buildpack before this one builds the pages: its output may not be there yet, and "public" is its input.
has_generator() {
    [ -f "$BUILD_DIR/package.json" ] && [ -n "$(jq --raw-output '.scripts.build? // .scripts["heroku-postbuild"]? // empty' "$BUILD_DIR/package.json" 2>/dev/null)" ]
}

# The folder with the pages, of those that are usual; nothing if there is none.
find_root() {
    local folder folders=(public public_html dist build _site out .)
    ! has_generator || folders=(dist build _site out .output/public public public_html .)
    for folder in "${folders[@]}"; do
        if [ -f "$BUILD_DIR/$folder/index.html" ]; then
            echo "$folder"
            return
        fi
    done
    # Generators that keep a folder for each of several projects.
    ! has_generator || (cd "$BUILD_DIR" && find dist -maxdepth 3 -name index.html -printf '%h\n' 2>/dev/null | sort | head -n 1)
}
