# shellcheck shell=bash
# Takes away what install.sh brought. The data stays, unless it is to be purged.
# Needs say.sh, engine.sh and server.sh.

uninstall() {
    require_root "uninstalling"
    if systemd_runs && [ -e "$UNIT" ]; then
        step "Stopping the server and removing its service"
        systemctl disable --quiet --now slipway
        rm -f "$UNIT"
        systemctl daemon-reload
    fi
    stop_server
    remove_containers
    step "Removing $(installed_binary)"
    rm -f "$(installed_binary)"
    if [ -n "$PURGE" ]; then
        purge_data
    elif [ -d "$ROOT" ]; then
        step "The data stays in $ROOT; --uninstall --purge removes it too"
    fi
}

# Removes this installation's containers and networks; without an owner's name there is nothing to tell them by.
remove_containers() {
    [ -s "$ROOT/owner" ] || return 0
    engine_answers || fail "Docker does not answer, so the apps cannot be stopped" "start Docker, and run this again"
    step "Removing the apps' containers"
    remove_all containers '/containers/json?all=1&' '?force=1&v=1'
    remove_all networks '/networks?' ''
}

purge_data() {
    [ -d "$ROOT" ] || return 0
    # A typing error in --root must not remove a directory that is none of ours.
    [ -e "$ROOT/slipway.toml" ] || fail "$ROOT does not look like Slipway's data" "remove it by hand if it is"
    if [ -s "$ROOT/owner" ]; then
        step "Removing the apps' images"
        remove_all images '/images/json?' '?force=1'
        remove_caches
        remove_stack_images
    fi
    step "Removing the data in $ROOT"
    rm -rf "$ROOT"
}

# What builds have kept for the next ones. Storage stays: it is data.
remove_caches() {
    local volume owner
    owner=$(cat "$ROOT/owner")
    # Exactly these: a volume of somebody's data may be called slipway-OWNER-cache.1.
    engine_request GET "/volumes?filters=%7B%22name%22%3A%5B%22slipway-$owner%22%5D%7D" | grep -oE "\"slipway-${owner}[.]cache[.][0-9]+\"" | sort -u | tr -d '"' |
        while read -r volume; do
            engine_request DELETE "/volumes/$volume" >/dev/null 2>&1 || warn "the cache $volume could not be removed"
        done || true
}

# The images that buildpacks build in and apps run on, unless apps of another installation on this host need them. What
# stands on others is listed first.
remove_stack_images() {
    local image
    # {"label":["slipway.stack.build-image"]}
    if [[ $(engine_request GET '/images/json?filters=%7B%22label%22%3A%5B%22slipway.stack.build-image%22%5D%7D') == *'"Id"'* ]]; then
        step "The stack images stay: apps of another installation on this host need them"
        return
    fi
    # {"reference":["slipway-stack"]}
    engine_request GET '/images/json?filters=%7B%22reference%22%3A%5B%22slipway-stack%22%5D%7D' | grep -oE '"slipway-stack:[a-z]+-[0-9a-f]+"' | tr -d '"' |
        while read -r image; do
            engine_request DELETE "/images/$image" >/dev/null 2>&1 || warn "the image $image could not be removed"
        done || true
}

# remove_all KIND LIST_PATH REMOVE_QUERY: removes everything of a kind that has this installation's label.
remove_all() {
    local kind=$1 id filter
    # {"label":["slipway.owner=ID"]}
    filter="%7B%22label%22%3A%5B%22slipway.owner%3D$(cat "$ROOT/owner")%22%5D%7D"
    engine_request GET "$2filters=$filter" | grep -oE '"Id":"(sha256:)?[0-9a-f]{64}"' | cut -d '"' -f 4 |
        while read -r id; do
            # Gone in the meantime is as good as removed.
            engine_request DELETE "/$kind/$id$3" >/dev/null 2>&1 || warn "${kind%s} ${id:0:19} could not be removed"
        done || true
}
