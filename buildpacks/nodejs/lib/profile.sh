# Read at the start of every process of the app.
# shellcheck shell=bash
export PATH="$HOME/.heroku/node/bin:$PATH:$HOME/bin:$HOME/node_modules/.bin"
export NODE_HOME="$HOME/.heroku/node"
export NODE_ENV=${NODE_ENV:-production}
# The shell that runs the scripts of package.json: bash becomes the program, so that SIGTERM reaches it; dash does not.
export NPM_CONFIG_SCRIPT_SHELL=${NPM_CONFIG_SCRIPT_SHELL:-/bin/bash}

# In MB; 512 where there is no limit.
memory_available() {
    local limit file
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        [ -r "$file" ] || continue
        limit=$(cat "$file")
        [ "$limit" = max ] || [ ${#limit} -gt 14 ] || { echo $((limit / 1048576)) && return; }
    done
    echo 512
}

MEMORY_AVAILABLE=${MEMORY_AVAILABLE:-$(memory_available)}
WEB_MEMORY=${WEB_MEMORY:-$([ "$MEMORY_AVAILABLE" -gt 16384 ] && echo 2048 || echo 512)}
if [ -z "${WEB_CONCURRENCY-}" ]; then
    WEB_CONCURRENCY=$((MEMORY_AVAILABLE / WEB_MEMORY))
    if [ "$WEB_CONCURRENCY" -lt 1 ] || [ "$WEB_CONCURRENCY" -gt 200 ]; then WEB_CONCURRENCY=1; fi
fi
export MEMORY_AVAILABLE WEB_MEMORY WEB_CONCURRENCY
unset -f memory_available
