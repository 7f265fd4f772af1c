# What starts the app when no Procfile says it. To be sourced.
# shellcheck shell=bash

# The command line of the web process; nothing if there is none to be known.
start_command() {
    if [ -n "$(manifest .scripts.start)" ]; then
        echo "$MANAGER start"
    elif [ -f "$BUILD_DIR/server.js" ]; then
        echo "node server.js"
    fi
}

# Whether another buildpack, which comes after this one, may say it.
others_follow() {
    [ -f "$BUILD_DIR/.buildpacks" ] \
        || { [ "$(head -n 1 /slipway/plan 2>/dev/null)" = fixed ] && [ "$(wc -l </slipway/plan)" -gt 2 ]; }
}

check_start() {
    [ -z "$(start_command)" ] && [ ! -s "$BUILD_DIR/Procfile" ] && ! others_follow || return 0
    local advice='Add a "start" script to package.json, or a Procfile with a line such as: web: node index.js'
    if [ -n "$(manifest .scripts.build)" ]; then
        advice="$advice (for a built single-page app: a file .buildpacks with the lines nodejs and static)"
    fi
    fail 'The start command is missing: package.json has no "start" script, and there is no server.js and no Procfile' "$advice"
}
