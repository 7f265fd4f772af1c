# shellcheck shell=bash
# How many processes a server starts, which gunicorn and uvicorn read: two for each processor and one more, as far as
# the memory limit leaves 256 MB for each. Without a limit it is left to the server.
slipway_web_concurrency() {
    local memory='' processors quota period wanted
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        [ -z "$memory" ] && [ -r "$file" ] && memory=$(cat "$file")
    done
    # No limit is "max", or in the older form a number beyond all memory.
    case $memory in '' | max | ??????????????*) return ;; esac
    processors=$(nproc)
    if read -r quota period 2>/dev/null </sys/fs/cgroup/cpu.max && [ "$quota" != max ]; then
        wanted=$(((quota + period - 1) / period))
        [ "$wanted" -ge "$processors" ] || processors=$wanted
    fi
    memory=$((memory / 1048576))
    export DYNO_RAM=$memory
    [ -z "${WEB_CONCURRENCY-}" ] || return
    wanted=$((processors * 2 + 1))
    [ $((memory / 256)) -ge "$wanted" ] || wanted=$((memory / 256))
    [ "$wanted" -ge 1 ] || wanted=1
    export WEB_CONCURRENCY=$wanted WEB_CONCURRENCY_SET_BY=heroku/python
}
slipway_web_concurrency
unset -f slipway_web_concurrency
